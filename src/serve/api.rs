//! Which path leads where, who may go there, and the document that says so.

use std::sync::Arc;

use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::middleware::{from_fn_with_state, map_response};
use axum::response::Response;
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

/// What is open to everyone.
fn open() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(answers::health)).routes(routes!(answers::ready))
}

/// What whoever may read has.
fn read() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
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
        .routes(routes!(document))
}

/// What whoever may append has.
fn append() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(ingest::post))
}

/// Every path with its handler.
pub(super) fn router(state: &Shared) -> Router {
    let may_read = from_fn_with_state(Arc::clone(state), guard::read);
    let may_append = from_fn_with_state(Arc::clone(state), guard::append);
    let all = open().merge(read().route_layer(may_read)).merge(append().route_layer(may_append));
    let (router, _) = all.split_for_parts();
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

/// This document
#[utoipa::path(
    get, path = "/v1/openapi.json", tag = "log",
    responses((status = 200, description = "What can be asked, as OpenAPI", content_type = "application/json"))
)]
async fn document() -> Response {
    let all = OpenApiRouter::with_openapi(Document::openapi()).merge(open()).merge(read());
    tell::json(crate::wire::line(&all.merge(append()).into_openapi()))
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
