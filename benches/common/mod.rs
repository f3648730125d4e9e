//! Made-up events for the benches: 100,000 in the mix of a shop, the same on every run.

use std::fmt::Write;

/// How many events [`ndjson`] gives.
pub(crate) const EVENTS: u64 = 100_000;
const CUSTOMERS: u64 = 10_000;

/// Events as NDJSON: 10 % customers, 60 % visits with a tag, 20 % orders, 10 % images.
pub(crate) fn ndjson() -> String {
    let mut text = String::new();
    let mut random = 0x9E37_79B9_7F4A_7C15_u64;
    for n in 0..EVENTS {
        // Knuth's MMIX generator: enough to scatter customers and amounts.
        random =
            random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let (key, pick) = (format!("{:012x}", random >> 16), random >> 33);
        let second = n * 10;
        let time = format!(
            "2024-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
            1 + second / 2_419_200 % 12,
            1 + second / 86_400 % 28,
            second / 3_600 % 24,
            second / 60 % 60,
            second % 60,
            pick % 1_000
        );
        let customer =
            format!("{:012x}", (pick % CUSTOMERS.min(n / 10 + 1)) * 10 + 0xc000_0000_0000);
        let line = match n % 10 {
            0 => format!(
                r#"{{"type":"CUSTOMER","verb":"NEW","key":"{:012x}","event_time":"{time}","last_name":"Name{pick}","adr_city":"Middletown","adr_state":"AK"}}"#,
                n + 0xc000_0000_0000
            ),
            1 | 2 => format!(
                r#"{{"type":"ORDER","verb":"NEW","key":"{key}","event_time":"{time}","customer_id":"{customer}","total_amount":"{}.{:02} USD"}}"#,
                pick % 400,
                pick % 100
            ),
            3 => format!(
                r#"{{"type":"IMAGE","verb":"UPLOAD","key":"{key}","event_time":"{time}","customer_id":"{customer}","camera_make":"Canon","camera_model":"EOS 80D"}}"#
            ),
            _ => format!(
                r#"{{"type":"SITE_VISIT","verb":"NEW","key":"{key}","event_time":"{time}","customer_id":"{customer}","tags":[{{"key{}":"value{}"}}]}}"#,
                pick % 20,
                pick % 50
            ),
        };
        writeln!(text, "{line}").expect("a string takes everything");
    }
    text
}
