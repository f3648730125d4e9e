//! What is asked for: the query, the path and the kind of a body, each read or refused in words
//! that say what is wrong, where, and what would do.

use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequestParts, Path, Query};
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, Uri};
use serde::de::DeserializeOwned;
use utoipa::openapi::RefOr;
use utoipa::openapi::path::{Parameter, ParameterIn};
use utoipa::openapi::schema::{Schema, SchemaType, Type};
use utoipa::{IntoParams, Number};

use super::page::grouped_count;
use super::problem::Problem;

/// The parameters of a query, each of which may be absent.
pub(super) struct Asked<T>(pub(super) T);

impl<S: Sync, T: DeserializeOwned + IntoParams> FromRequestParts<S> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Asked<T>, Problem> {
        match Query::<T>::try_from_uri(&parts.uri) {
            Ok(Query(query)) => Ok(Asked(query)),
            Err(_) => Err(Problem::bad_request(what_is_wrong::<T>(&parts.uri))),
        }
    }
}

/// Which parameter cannot be read, and what it takes, as the document has it.
fn what_is_wrong<T: DeserializeOwned + IntoParams>(uri: &Uri) -> String {
    let known = T::into_params(|| Some(ParameterIn::Query));
    let Ok(Query(pairs)) = Query::<Vec<(String, String)>>::try_from_uri(uri) else {
        return "the query is no text of NAME=VALUE&NAME=VALUE".to_owned();
    };
    let raw = uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
    for (at, ((name, value), raw)) in pairs.iter().zip(raw).enumerate() {
        let Some(parameter) = known.iter().find(|one| one.name == *name) else {
            return format!("there is no parameter {} here: {}", shown(name), names(&known));
        };
        if pairs.iter().take(at).any(|(before, _)| before == name) {
            return format!("{name} is given twice, and is taken once");
        }
        let alone = format!("/?{raw}").parse::<Uri>();
        if alone.is_ok_and(|uri| Query::<T>::try_from_uri(&uri).is_err()) {
            return format!("{name} is {}, and takes {}", shown(value), taken(parameter));
        }
    }
    format!("the query cannot be read: {}", names(&known))
}

fn names(known: &[Parameter]) -> String {
    let names: Vec<&str> = known.iter().map(|one| &*one.name).collect();
    match names.split_last() {
        None => "there are none".to_owned(),
        Some((last, [])) => format!("{last} is the only one"),
        Some((last, others)) => format!("{} and {last} are all", others.join(", ")),
    }
}

/// What a parameter takes, in words.
fn taken(parameter: &Parameter) -> String {
    let Some(RefOr::T(Schema::Object(object))) = &parameter.schema else {
        return "something else".to_owned();
    };
    let is = |of: Type| match &object.schema_type {
        SchemaType::Type(one) => *one == of,
        SchemaType::Array(all) => all.contains(&of),
        SchemaType::AnyValue => false,
    };
    if is(Type::Boolean) {
        return "true or false".to_owned();
    }
    let least = bound(object.minimum.as_ref()).unwrap_or_else(|| "0".to_owned());
    let most = bound(object.maximum.as_ref()).unwrap_or_else(|| "2^63 \u{2212} 1".to_owned());
    format!("a whole number from {least} to {most}")
}

/// A bound with its digits in threes.
fn bound(number: Option<&Number>) -> Option<String> {
    match number? {
        Number::Int(number) => i64::try_from(*number).ok().map(grouped_count),
        Number::UInt(number) => i64::try_from(*number).ok().map(grouped_count),
        Number::Float(number) => Some(number.to_string()),
    }
}

/// What somebody sent, within quotes, and not all of it if it is long.
fn shown(text: &str) -> String {
    const LETTERS_MAX: usize = 40;
    let mut shown: String = text.chars().take(LETTERS_MAX).collect();
    if shown.len() < text.len() {
        shown.push('\u{2026}');
    }
    format!("{shown:?}")
}

/// The id in a path.
pub(super) fn id(path: Result<Path<String>, PathRejection>) -> Result<String, Problem> {
    let wrong = "the customer's id in the path is not UTF-8, percent-encoded as in caf%C3%A9";
    path.map(|Path(id)| id).map_err(|_not_utf8| Problem::bad_request(wrong))
}

/// Whether events can be in a body of this kind. Most clients name one that is not meant, curl that
/// of a form, so the body decides; only a form of parts has other things around its events.
pub(super) fn media(headers: &HeaderMap) -> Result<(), Problem> {
    let media = headers.get(CONTENT_TYPE).and_then(|media| media.to_str().ok()).unwrap_or_default();
    let kind = media.split('/').next().unwrap_or_default().trim();
    if kind.eq_ignore_ascii_case("multipart") {
        let detail = "a body is the events themselves, JSON or NDJSON, and no form of parts: \
                      `curl --data-binary @FILE` sends a file so, and `curl -F` does not";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::follow::EventsQuery;
    use super::super::top::TopQuery;
    use super::*;

    fn wrong<T: DeserializeOwned + IntoParams>(query: &str) -> String {
        let uri: Uri = format!("/v1?{query}").parse().unwrap();
        assert!(Query::<T>::try_from_uri(&uri).is_err(), "{query}");
        what_is_wrong::<T>(&uri)
    }

    #[test]
    fn a_query_is_refused_in_words() {
        for (query, said) in [
            ("x=ten", "x is \"ten\", and takes a whole number from 1 to 10,000"),
            ("frame=customer&x=", "x is \"\", and takes a whole number from 1 to 10,000"),
            ("x=%2d1", "x is \"-1\", and takes a whole number from 1 to 10,000"),
            (
                "min_end=9223372036854775808",
                "min_end is \"9223372036854775808\", and takes a whole number from 0 to 2^63 \u{2212} 1",
            ),
            ("x=1&x=1", "x is given twice, and is taken once"),
            (
                "fraem=x",
                "there is no parameter \"fraem\" here: \
                 x, min_end, frame, week_start and lifespan_years are all",
            ),
        ] {
            assert_eq!(wrong::<TopQuery>(query), said);
        }
        let long = wrong::<TopQuery>(&format!("x={}", "9".repeat(1_000)));
        assert!(long.len() < 200 && long.contains("999\u{2026}"), "{long}");
        assert_eq!(
            wrong::<EventsQuery>("follow=maybe"),
            "follow is \"maybe\", and takes true or false"
        );
    }

    #[test]
    fn a_form_of_parts_is_no_body_of_events() {
        let status = |media: &str| {
            let headers = HeaderMap::from_iter([(CONTENT_TYPE, media.parse().unwrap())]);
            media_status(&headers)
        };
        for good in ["", "application/json", "application/x-www-form-urlencoded", "x"] {
            assert_eq!(status(good), None, "{good}");
        }
        for bad in ["multipart/form-data; boundary=x", "Multipart/mixed"] {
            assert_eq!(status(bad), Some(415), "{bad}");
        }
    }

    fn media_status(headers: &HeaderMap) -> Option<u16> {
        media(headers).err().map(|problem| problem.status.as_u16())
    }
}
