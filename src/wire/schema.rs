//! What the texts and objects of an answer look like, for the document that a server gives of
//! itself. Nothing here is ever made: each type stands for values that others write and read.

use std::borrow::Cow;

use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::Reason;

/// A text that follows a rule.
trait Text {
    const NAME: &'static str;
    const ABOUT: &'static str;
    const PATTERN: &'static str;
    const EXAMPLE: &'static str;

    fn object() -> RefOr<Schema> {
        let object = ObjectBuilder::new().schema_type(Type::String);
        let object = object.description(Some(Self::ABOUT)).pattern(Some(Self::PATTERN));
        object.examples([Self::EXAMPLE]).into()
    }
}

/// Makes a rule a schema of its own.
macro_rules! texts {
    ($($name:ident),*) => {$(
        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                Self::object()
            }
        }

        impl ToSchema for $name {
            fn name() -> Cow<'static, str> {
                Cow::Borrowed(Self::NAME)
            }
        }
    )*};
}

texts!(Amount, Currency, Instant, LogId, Money);

pub(crate) struct Amount;

impl Text for Amount {
    const NAME: &'static str = "Amount";
    const ABOUT: &'static str = "An exact number with two decimals";
    const PATTERN: &'static str = r"^-?[0-9]+\.[0-9]{2}$";
    const EXAMPLE: &'static str = "6416.80";
}

pub(crate) struct Currency;

impl Text for Currency {
    const NAME: &'static str = "Currency";
    const ABOUT: &'static str = "The currency of the log";
    const PATTERN: &'static str = "^[A-Z]{3}$";
    const EXAMPLE: &'static str = "USD";
}

pub(crate) struct Instant;

impl Text for Instant {
    const NAME: &'static str = "Instant";
    const ABOUT: &'static str = "An instant in UTC, with the fewest digits that say it exactly";
    // RFC 3339, but for instants outside of the years that have four digits.
    const PATTERN: &'static str = r"^([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?Z|-?[0-9]+ microseconds since 1970)$";
    const EXAMPLE: &'static str = "2017-01-06T12:46:46.384Z";
}

pub(crate) struct LogId;

impl Text for LogId {
    const NAME: &'static str = "LogId";
    const ABOUT: &'static str = "What tells this log from all others";
    const PATTERN: &'static str = "^[0-9a-f]{16}$";
    const EXAMPLE: &'static str = "9c1185a5c5e9fc54";
}

/// An amount with its currency, as orders have it.
pub(crate) struct Money;

impl Text for Money {
    const NAME: &'static str = "Money";
    const ABOUT: &'static str = "An amount in the currency of the log; a minus is a refund";
    const PATTERN: &'static str = r"^-?[0-9]{1,12}(\.[0-9]{1,2})? [A-Z]{3}$";
    const EXAMPLE: &'static str = "12.34 USD";
}

/// Why an event was rejected.
pub(crate) struct ReasonName;

impl PartialSchema for ReasonName {
    fn schema() -> RefOr<Schema> {
        let object = ObjectBuilder::new().schema_type(Type::String);
        let object = object.description(Some("Why an event was rejected"));
        object.enum_values(Some(Reason::ALL.map(Reason::name))).into()
    }
}

impl ToSchema for ReasonName {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Reason")
    }
}

/// A fact about a customer. Fields that are not named here are kept, and come back.
#[derive(ToSchema)]
#[schema(as = Event)]
pub(crate) struct EventJson {
    #[schema(inline)]
    r#type: TypeName,
    #[schema(inline)]
    verb: VerbName,
    /// The id of the customer, page, image or order
    #[schema(min_length = 1, max_length = 255)]
    key: String,
    /// An instant of RFC 3339, given back in UTC
    #[schema(format = DateTime)]
    event_time: String,
    /// Needed, but for a CUSTOMER
    #[schema(min_length = 1, max_length = 255)]
    customer_id: Option<String>,
    /// Needed for an ORDER
    total_amount: Option<Money>,
    last_name: Option<String>,
    adr_city: Option<String>,
    adr_state: Option<String>,
    /// An array or an object, with any JSON inside
    tags: Option<serde_json::Value>,
    camera_make: Option<String>,
    camera_model: Option<String>,
}

#[derive(ToSchema)]
#[schema(rename_all = "SCREAMING_SNAKE_CASE")]
enum TypeName {
    Customer,
    SiteVisit,
    Image,
    Order,
}

#[derive(ToSchema)]
#[schema(rename_all = "SCREAMING_SNAKE_CASE")]
enum VerbName {
    New,
    Update,
    Upload,
}

/// An event and where it stands in the log.
#[derive(ToSchema)]
#[schema(as = Record)]
pub(crate) struct RecordJson {
    sequence: u64,
    event: EventJson,
}

/// The line that stands where all there was has been told.
#[derive(ToSchema)]
#[schema(as = CaughtUp)]
pub(crate) struct CaughtUpJson {
    /// The sequence of the next event
    caught_up: u64,
}

/// The last line of a stream that was cut short.
#[derive(ToSchema)]
#[schema(as = StreamError)]
pub(crate) struct StreamErrorJson {
    error: super::ProblemJson<'static>,
}
