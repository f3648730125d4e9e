//! An event as one line of JSON, the same event again when it is read back.

use super::{EVENT_BYTES_MAX, Event, FIELDS, Field, write_cents, write_time_shortest};

impl Event<'_> {
    /// Appends the event as a JSON object on one line, without a line break: the time in UTC with
    /// as few digits as it needs, the amount with two decimals, everything else as it was kept.
    pub fn to_json(&self, currency: [u8; 3], out: &mut String) {
        let start = out.len();
        let mut amount = String::new();
        if self.kind.is_order() {
            write_cents(i128::from(self.amount_cents), &mut amount);
        }
        self.push_object(&amount, currency, out);
        // Everything else is written at least as short as it can have come, but `1 USD` becomes
        // longer: that must not make an event too large which was not when it came.
        if out.len() - start > EVENT_BYTES_MAX {
            out.truncate(start);
            let amount = amount.trim_end_matches('0').trim_end_matches('.');
            self.push_object(amount, currency, out);
        }
    }

    fn push_object(&self, amount: &str, currency: [u8; 3], out: &mut String) {
        out.push_str("{\"type\":\"");
        out.push_str(self.kind.type_name());
        out.push_str("\",\"verb\":\"");
        out.push_str(self.kind.verb());
        out.push_str("\",\"key\":");
        push_string(&self.key, out);
        out.push_str(",\"event_time\":\"");
        write_time_shortest(self.at_us, out);
        out.push('"');
        if !self.kind.is_customer() {
            out.push_str(",\"customer_id\":");
            push_string(&self.customer_id, out);
        }
        if self.kind.is_order() {
            out.push_str(",\"total_amount\":\"");
            out.push_str(amount);
            out.push(' ');
            out.extend(currency.map(char::from));
            out.push('"');
        }
        for (field, text) in FIELDS.iter().zip(&self.texts) {
            if let Some(text) = text {
                push_field(*field, text, out);
            }
        }
        out.push('}');
    }
}

/// Appends a comma and the member, or the members, that an optional text is.
fn push_field(field: Field, text: &str, out: &mut String) {
    let others = text.strip_prefix('{').and_then(|text| text.strip_suffix('}'));
    let members = if field == Field::Other { others.unwrap_or_default() } else { field.name() };
    if members.is_empty() {
        return;
    }
    out.push(',');
    match field {
        Field::Other => out.push_str(members),
        Field::Tags => {
            out.push_str("\"tags\":");
            out.push_str(text);
        }
        Field::LastName
        | Field::AdrCity
        | Field::AdrState
        | Field::CameraMake
        | Field::CameraModel => {
            push_string(field.name(), out);
            out.push(':');
            push_string(text, out);
        }
    }
}

/// Appends a text as a JSON string, with no more escapes than JSON demands.
pub(super) fn push_string(text: &str, out: &mut String) {
    out.push('"');
    let mut rest = text;
    while let Some(at) = rest.bytes().position(|byte| byte < b' ' || byte == b'"' || byte == b'\\')
    {
        let (plain, special) = rest.split_at(at);
        out.push_str(plain);
        let mut chars = special.chars();
        match chars.next() {
            Some(quoted @ ('"' | '\\')) => out.extend(['\\', quoted]),
            Some('\u{8}') => out.push_str("\\b"),
            Some('\t') => out.push_str("\\t"),
            Some('\n') => out.push_str("\\n"),
            Some('\u{c}') => out.push_str("\\f"),
            Some('\r') => out.push_str("\\r"),
            Some(control) => {
                out.push_str("\\u00");
                let code = u32::from(control);
                out.extend(
                    [code / 16, code % 16].map(|digit| char::from_digit(digit, 16).unwrap_or('0')),
                );
            }
            None => {}
        }
        rest = chars.as_str();
    }
    out.push_str(rest);
    out.push('"');
}
