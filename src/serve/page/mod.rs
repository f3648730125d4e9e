//! The page for people: a browser without scripts of others, styles of others, or other hosts.
//!
//! Its files are in the binary, open to everybody, and hold no data; what they show they ask for as
//! any program would ([`figures`], [`status`]), with a token where one is needed. Charts come as
//! SVG whose colours are the page's ([`charts`]).

mod amounts;
mod charts;
mod distribution;
pub(super) mod figures;
mod scale;
pub(super) mod status;
mod svg;

use axum::Router;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH,
};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use sha2::{Digest, Sha256};

pub(super) use self::amounts::grouped_count;
use super::state::Shared;

/// Nothing but what this server sends; no script or style within the page, no frame around it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
                      connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; \
                      form-action 'self'";

const HTML: (&str, &str) = ("text/html; charset=utf-8", include_str!("page.html"));
const CSS: (&str, &str) = ("text/css; charset=utf-8", include_str!("page.css"));
const ICON: (&str, &str) = ("image/svg+xml", include_str!("icon.svg"));

const SCRIPT: &str = "text/javascript; charset=utf-8";
/// The scripts import each other by these names.
const SCRIPTS: [(&str, &str); 5] = [
    ("/assets/page.js", include_str!("page.js")),
    ("/assets/ask.js", include_str!("ask.js")),
    ("/assets/board.js", include_str!("board.js")),
    ("/assets/customer.js", include_str!("customer.js")),
    ("/assets/show.js", include_str!("show.js")),
];

/// The paths of the files.
pub(super) fn files() -> Router<Shared> {
    let files = Router::new()
        .route("/", file(HTML))
        .route("/assets/page.css", file(CSS))
        .route("/assets/icon.svg", file(ICON));
    let add = |files: Router<Shared>, (path, text)| files.route(path, file((SCRIPT, text)));
    SCRIPTS.into_iter().fold(files, add)
}

fn file((media, text): (&'static str, &'static str)) -> axum::routing::MethodRouter<Shared> {
    let tag = tag(text);
    get(async move |headers: HeaderMap| answer(&headers, media, text, &tag))
}

/// Changes when the file does.
fn tag(text: &str) -> String {
    let hash = Sha256::digest(text);
    let hex: Vec<String> = hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("\"{}\"", hex.concat())
}

fn answer(headers: &HeaderMap, media: &'static str, text: &'static str, tag: &str) -> Response {
    let known = headers.get(IF_NONE_MATCH).and_then(|tags| tags.to_str().ok()).unwrap_or_default();
    let is_known = known.split(',').any(|one| one.trim().trim_start_matches("W/") == tag);
    // A newer server has other files under the same names: they are asked for each time.
    let common = [
        (ETAG, tag),
        (CACHE_CONTROL, "no-cache"),
        (CONTENT_SECURITY_POLICY, POLICY),
        (CONTENT_TYPE, media),
    ];
    if is_known {
        return (StatusCode::NOT_MODIFIED, common).into_response();
    }
    (common, text).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_known_is_not_sent_again() {
        let tag = tag("text");
        let of = |tags: &str| {
            let headers = HeaderMap::from_iter([(IF_NONE_MATCH, tags.parse().unwrap())]);
            answer(&headers, "text/plain", "text", &tag)
        };
        for tags in [tag.clone(), format!("\"other\", W/{tag}")] {
            assert_eq!(of(&tags).status(), StatusCode::NOT_MODIFIED, "{tags}");
        }
        for tags in ["", "\"other\""] {
            let response = of(tags);
            assert_eq!(response.status(), StatusCode::OK, "{tags}");
            assert_eq!(response.headers()[ETAG], *tag);
            let policy = response.headers()[CONTENT_SECURITY_POLICY].to_str().unwrap();
            assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self'"));
            assert!(!policy.contains("unsafe"));
        }
    }

    #[test]
    fn the_files_keep_to_the_policy() {
        let (_, html) = HTML;
        for inline in ["<style", " style=", " onclick=", "javascript:", "http://", "https://"] {
            assert!(!html.contains(inline), "page.html has {inline}");
        }
        assert_eq!(
            html.matches("<script").count(),
            html.matches("<script type=\"module\" src=").count()
        );
        for (name, text) in SCRIPTS {
            for word in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("]
            {
                assert!(!text.contains(word), "{name} says {word}");
            }
        }
    }
}
