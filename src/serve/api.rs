//! Which path leads where, who may go there, and the document that says so.

use std::sync::Arc;

use axum::extract::State as Of;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::middleware::{from_fn_with_state, map_response};
use axum::response::Response;
use axum::routing::get;
use axum::{Router, http};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::timeout::RequestBodyTimeoutLayer;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::problem::Problem;
use super::state::Shared;
use super::{answers, follow, guard, ingest, page, tell, top};

#[derive(OpenApi)]
#[openapi(info(
    title = "ltvlog",
    description = "An event log that always knows who the most valuable customers are."
))]
struct Document;

/// Every path with its handler, and the document.
pub(super) fn router(state: &Shared) -> Router {
    let open =
        OpenApiRouter::new().routes(routes!(answers::health)).routes(routes!(answers::ready));
    let read = OpenApiRouter::new()
        .routes(routes!(top::top))
        .routes(routes!(top::live))
        .routes(routes!(answers::customer))
        .routes(routes!(answers::customer_events))
        .routes(routes!(answers::info))
        .routes(routes!(answers::metrics))
        .routes(routes!(follow::events))
        .routes(routes!(page::status::status))
        .routes(routes!(page::figures::weeks))
        .routes(routes!(page::figures::distribution))
        .routes(routes!(page::figures::customer_weeks))
        .routes(routes!(page::figures::weeks_svg))
        .routes(routes!(page::figures::distribution_svg))
        .routes(routes!(page::figures::customer_weeks_svg))
        .route("/v1/openapi.json", get(document))
        .route_layer(from_fn_with_state(Arc::clone(state), guard::read));
    let append = OpenApiRouter::new()
        .routes(routes!(ingest::post))
        .route_layer(from_fn_with_state(Arc::clone(state), guard::append));
    let (router, _) = OpenApiRouter::with_openapi(Document::openapi())
        .merge(open)
        .merge(read)
        .merge(append)
        .split_for_parts();
    router
        .merge(page::files())
        .fallback(|| async { Problem::new(StatusCode::NOT_FOUND, "there is nothing at this path") })
        .method_not_allowed_fallback(|| async {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "this path has other methods")
        })
        .layer(axum::extract::DefaultBodyLimit::disable())
        .layer(RequestBodyTimeoutLayer::new(state.limits.body_time))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(map_response(safe))
        .layer(from_fn_with_state(Arc::clone(state), guard::count))
        .with_state(Arc::clone(state))
}

/// The document alone.
fn openapi() -> utoipa::openapi::OpenApi {
    let all: OpenApiRouter<Shared> = OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(answers::health))
        .routes(routes!(answers::ready))
        .routes(routes!(top::top))
        .routes(routes!(top::live))
        .routes(routes!(answers::customer))
        .routes(routes!(answers::customer_events))
        .routes(routes!(answers::info))
        .routes(routes!(answers::metrics))
        .routes(routes!(follow::events))
        .routes(routes!(page::status::status))
        .routes(routes!(page::figures::weeks))
        .routes(routes!(page::figures::distribution))
        .routes(routes!(page::figures::customer_weeks))
        .routes(routes!(page::figures::weeks_svg))
        .routes(routes!(page::figures::distribution_svg))
        .routes(routes!(page::figures::customer_weeks_svg))
        .routes(routes!(ingest::post));
    all.into_openapi()
}

async fn document(Of(_): Of<Shared>) -> Response {
    tell::json(crate::wire::line(&openapi()))
}

fn panicked(_: Box<dyn std::any::Any + Send>) -> Response {
    use axum::response::IntoResponse;
    tracing::error!("a request was not carried out because of a mistake in this program");
    let detail = "the server made a mistake over this request";
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, detail).into_response()
}

/// Headers that every answer has.
async fn safe(mut response: Response) -> Response {
    let headers = response.headers_mut();
    let mut set = |name: HeaderName, value: &'static str| {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    };
    set(http::header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(http::header::REFERRER_POLICY, "no-referrer");
    set(http::header::X_FRAME_OPTIONS, "DENY");
    set(http::header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'");
    response
}
