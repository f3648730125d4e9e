//! What kinds, fields and reasons are called in JSON, in both directions.

use std::fmt;

use super::{Event, Field, Kind, Reason};

impl Kind {
    /// Every kind, in the order of the specification's table.
    pub const ALL: [Kind; 6] = [
        Kind::CustomerNew,
        Kind::CustomerUpdate,
        Kind::SiteVisitNew,
        Kind::ImageUpload,
        Kind::OrderNew,
        Kind::OrderUpdate,
    ];

    /// The event's `type`.
    pub fn type_name(self) -> &'static str {
        match self {
            Kind::CustomerNew | Kind::CustomerUpdate => "CUSTOMER",
            Kind::SiteVisitNew => "SITE_VISIT",
            Kind::ImageUpload => "IMAGE",
            Kind::OrderNew | Kind::OrderUpdate => "ORDER",
        }
    }

    /// The event's `verb`.
    pub fn verb(self) -> &'static str {
        match self {
            Kind::CustomerNew | Kind::SiteVisitNew | Kind::OrderNew => "NEW",
            Kind::CustomerUpdate | Kind::OrderUpdate => "UPDATE",
            Kind::ImageUpload => "UPLOAD",
        }
    }

    /// Whether the event tells of a customer, so that its key is the customer's id.
    pub fn is_customer(self) -> bool {
        matches!(self, Kind::CustomerNew | Kind::CustomerUpdate)
    }

    /// Whether the event tells of an order, so that it has an amount.
    pub fn is_order(self) -> bool {
        matches!(self, Kind::OrderNew | Kind::OrderUpdate)
    }

    /// The optional fields that the event's type names; all but `tags` are strings.
    pub fn fields(self) -> &'static [Field] {
        match self {
            Kind::CustomerNew | Kind::CustomerUpdate => {
                &[Field::LastName, Field::AdrCity, Field::AdrState]
            }
            Kind::SiteVisitNew => &[Field::Tags],
            Kind::ImageUpload => &[Field::CameraMake, Field::CameraModel],
            Kind::OrderNew | Kind::OrderUpdate => &[],
        }
    }
}

impl Field {
    /// The field's name in JSON; [`Field::Other`] stands for many and has none.
    pub fn name(self) -> &'static str {
        match self {
            Field::LastName => "last_name",
            Field::AdrCity => "adr_city",
            Field::AdrState => "adr_state",
            Field::Tags => "tags",
            Field::CameraMake => "camera_make",
            Field::CameraModel => "camera_model",
            Field::Other => "",
        }
    }
}

impl Reason {
    /// Every reason, in the order of precedence.
    pub const ALL: [Reason; 13] = [
        Reason::TooLarge,
        Reason::MalformedJson,
        Reason::NotAnObject,
        Reason::MissingField,
        Reason::UnknownType,
        Reason::UnknownVerb,
        Reason::InvalidField,
        Reason::InvalidTime,
        Reason::InvalidAmount,
        Reason::WrongCurrency,
        Reason::ConflictingKey,
        Reason::UnknownCustomer,
        Reason::UnknownOrder,
    ];

    /// The reason as receipts and rejects files spell it.
    pub fn name(self) -> &'static str {
        match self {
            Reason::TooLarge => "too_large",
            Reason::MalformedJson => "malformed_json",
            Reason::NotAnObject => "not_an_object",
            Reason::MissingField => "missing_field",
            Reason::UnknownType => "unknown_type",
            Reason::UnknownVerb => "unknown_verb",
            Reason::InvalidField => "invalid_field",
            Reason::InvalidTime => "invalid_time",
            Reason::InvalidAmount => "invalid_amount",
            Reason::WrongCurrency => "wrong_currency",
            Reason::ConflictingKey => "conflicting_key",
            Reason::UnknownCustomer => "unknown_customer",
            Reason::UnknownOrder => "unknown_order",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

impl Event<'_> {
    /// The customer that the event names: its own key if it tells of a customer.
    pub fn customer(&self) -> &str {
        if self.kind.is_customer() { &self.key } else { &self.customer_id }
    }

    /// One of the optional texts.
    pub fn text(&self, field: Field) -> Option<&str> {
        self.texts.get(field as usize)?.as_deref()
    }

    /// The same event, no longer borrowing from the text it was read from.
    pub fn into_owned(self) -> Event<'static> {
        Event {
            kind: self.kind,
            key: self.key.into_owned().into(),
            customer_id: self.customer_id.into_owned().into(),
            at_us: self.at_us,
            amount_cents: self.amount_cents,
            texts: self.texts.map(|text| text.map(|text| text.into_owned().into())),
        }
    }
}
