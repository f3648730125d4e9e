//! Which path leads where, who may go there, and the document that says so.

use std::sync::Arc;

use axum::http::header::ALLOW;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::middleware::{from_fn_with_state, map_response};
use axum::response::{IntoResponse, Response};
use axum::{Router, http};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::timeout::RequestBodyTimeoutLayer;
use utoipa::openapi::{ContentBuilder, OpenApi, Ref, RefOr, ResponseBuilder};
use utoipa::{OpenApi as _, ToSchema as _};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::problem::Problem;
use super::state::Shared;
use super::{answers, follow, guard, ingest, page, tell, top};
use crate::wire::ProblemJson;
use crate::wire::schema::{CaughtUpJson, RecordJson, StreamErrorJson};

#[derive(utoipa::OpenApi)]
#[openapi(info(
    title = "ltvlog",
    description = "An event log that always knows who the most valuable customers are."
), components(schemas(
    CaughtUpJson, ProblemJson<'static>, RecordJson, StreamErrorJson, top::Told<'static>
)))]
struct Document;

/// Every path with its handler, and the document.
pub(super) fn router(state: &Shared) -> Router {
    let door = guard::Door::new(Arc::clone(state));
    let read = read().route_layer(from_fn_with_state(door.clone(), guard::read));
    let append = append().route_layer(from_fn_with_state(door, guard::append));
    let (router, _) = open().merge(read).merge(append).split_for_parts();
    let router = router
        .merge(page::files())
        .fallback(|| async { Problem::new(StatusCode::NOT_FOUND, "there is nothing at this path") })
        .layer(axum::extract::DefaultBodyLimit::disable())
        .layer(RequestBodyTimeoutLayer::new(state.limits.body_time))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn_with_state(Arc::clone(state), guard::count))
        .with_state(Arc::clone(state));
    // Which methods a path has is told behind every layer of a router that knows them.
    Router::new().fallback_service(router).layer(map_response(methods)).layer(map_response(safe))
}

/// What everybody may ask.
fn open() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(answers::health)).routes(routes!(answers::ready))
}

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

fn append() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(ingest::post))
}

/// The document alone.
fn openapi() -> OpenApi {
    let guarded = read().merge(append()).into_openapi();
    let mut all = OpenApiRouter::<Shared>::with_openapi(Document::openapi())
        .merge(open())
        .merge(read())
        .merge(append())
        .into_openapi();
    for (path, item) in &mut all.paths.paths {
        let is_guarded = guarded.paths.paths.contains_key(path);
        let operations = [&mut item.get, &mut item.post];
        for operation in operations.into_iter().filter_map(Option::as_mut) {
            let responses = &mut operation.responses.responses;
            for (status, description) in REFUSALS.iter().filter(|_| is_guarded) {
                let response = ResponseBuilder::new().description(*description);
                let response = response.content(PROBLEM, ContentBuilder::new().build()).build();
                responses.insert((*status).to_owned(), response.into());
            }
            responses.values_mut().for_each(shape);
        }
    }
    all
}

const PROBLEM: &str = "application/problem+json";

/// Every problem looks the same.
fn shape(response: &mut RefOr<utoipa::openapi::Response>) {
    let RefOr::T(response) = response else { return };
    if let Some(RefOr::T(content)) = response.content.get_mut(PROBLEM) {
        content.schema = Some(RefOr::Ref(Ref::from_schema_name(ProblemJson::name())));
    }
}

/// What may be said to any request but those that are open to everybody.
const REFUSALS: [(&str, &str); 3] = [
    ("401", "A token is needed, and this is none"),
    ("403", "The token is good for something else, or the request is a page's of another origin"),
    ("500", "The log cannot be read, or the server made a mistake: its own log says which"),
];

/// What can be asked here
#[utoipa::path(
    get, path = "/v1/openapi.json", tag = "health",
    responses((status = 200, body = Object, description = "This document", content_type = "application/json"))
)]
async fn document() -> Response {
    tell::json(crate::wire::line(&openapi()))
}

fn panicked(_: Box<dyn std::any::Any + Send>) -> Response {
    tracing::error!("a request was not carried out because of a mistake in this program");
    let detail = "the server made a mistake over this request";
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, detail).into_response()
}

/// Names the methods that a path has to whoever tried another one.
async fn methods(response: Response) -> Response {
    let allowed = response.headers().get(ALLOW).cloned();
    let Some(allowed) = allowed.filter(|_| response.status() == StatusCode::METHOD_NOT_ALLOWED)
    else {
        return response;
    };
    let names = allowed.to_str().unwrap_or_default().replace(',', " and ");
    let detail = format!("this path takes {names}");
    let mut response = Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail).into_response();
    response.headers_mut().insert(ALLOW, allowed);
    response
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
