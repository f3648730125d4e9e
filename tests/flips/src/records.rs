//! The records that every store gets: small events, as ltvlog writes them.

use crate::peer::Record;

/// How many there are.
pub const COUNT: usize = 20;

/// One customer, then visits and orders in turn; 80 to 130 bytes each.
pub fn records() -> Vec<Record> {
    (0..COUNT).map(|at| record(at).into_bytes()).collect()
}

fn record(at: usize) -> String {
    let time = format!("2017-01-06T12:46:{at:02}Z");
    let begin = |kind: &str, key: &str| {
        format!(r#"{{"type":"{kind}","verb":"NEW","key":"{key}","event_time":"{time}""#)
    };
    match at {
        0 => format!("{}}}", begin("CUSTOMER", "96f55c7d8f42")),
        _ if at % 2 == 1 => {
            let key = format!("ac05e8155{at:03}");
            format!(r#"{},"customer_id":"96f55c7d8f42"}}"#, begin("SITE_VISIT", &key))
        }
        _ => {
            let key = format!("68d84e5d1{at:03}");
            let begin = begin("ORDER", &key);
            format!(r#"{begin},"customer_id":"96f55c7d8f42","total_amount":"{at}.34 USD"}}"#)
        }
    }
}
