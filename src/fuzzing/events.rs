//! Events out of few ids, instants and values, so that they meet: duplicates, conflicts, updates
//! that are late, events that wait for their customer.

/// An event's JSON, by four choices: its kind, its key, its customer, and everything else.
pub(super) fn text(kind: u8, key: u16, customer: u8, variant: u8) -> String {
    let customer = customer % 8;
    let at = format!("2017-01-0{}T04:05:06.{:03}Z", 1 + variant % 3, variant % 4);
    let cents = i64::from(variant) * 7 - 500;
    let amount = format!("{}{}.{:02} USD", sign(cents), cents.abs() / 100, cents.abs() % 100);
    let more = more(variant);
    let body = match kind % 8 {
        0 | 1 => return customer_new(customer, &at, variant),
        2 => format!(r#""CUSTOMER","verb":"UPDATE","key":"c{customer}","adr_city":"A{variant}""#),
        3 | 4 => format!(
            r#""SITE_VISIT","verb":"NEW","key":"v{key}","customer_id":"c{customer}","tags":[{{"n":{key}}}]"#
        ),
        5 => format!(
            r#""IMAGE","verb":"UPLOAD","key":"i{key}","customer_id":"c{customer}","camera_make":"""#
        ),
        6 => format!(
            r#""ORDER","verb":"NEW","key":"o{key}","customer_id":"c{customer}","total_amount":"{amount}""#
        ),
        _ => format!(
            r#""ORDER","verb":"UPDATE","key":"o{key}","customer_id":"c{customer}","total_amount":"{amount}""#
        ),
    };
    format!(r#"{{"type":{body},"event_time":"{at}"{more}}}"#)
}

/// Some are named by bytes of zeros, which fill whole sectors.
fn customer_new(customer: u8, at: &str, variant: u8) -> String {
    let name = match variant {
        0xF0.. => "\\u0000".repeat(1_100),
        _ => format!("N{}", variant % 2),
    };
    format!(
        r#"{{"type":"CUSTOMER","verb":"NEW","key":"c{customer}","event_time":"{at}","last_name":"{name}"}}"#
    )
}

/// Fields that the type does not name, for events of many lengths.
fn more(variant: u8) -> String {
    match variant % 16 {
        15 => format!(r#","note":"{}""#, "a long one ".repeat(usize::from(variant) / 2)),
        14 => r#","z":{"a":[1e2,null],"b":1.50}"#.to_owned(),
        _ => String::new(),
    }
}

fn sign(cents: i64) -> &'static str {
    if cents < 0 { "-" } else { "" }
}
