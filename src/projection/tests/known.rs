//! Answers known beforehand: the sample of the specification and the CDNOW sample.

#[cfg(feature = "cli")]
use std::io::Read as _;

use super::facts::{Fact, What, folded};
use crate::error::Fault;
use crate::projection::figures::Measures;
use crate::projection::rank::rank;
use crate::projection::statistics::Statistics;
use crate::projection::{Digest, Lifespan, TimeFrame, WeekStart};

fn digest(statistics: &Statistics, id: impl Fn(u32) -> String) -> String {
    let mut digest = Digest::default();
    for (ordinal, customer) in (0..).zip(statistics.customers()) {
        digest.add(&id(ordinal), customer);
    }
    digest.to_string()
}

/// The four events of the specification, in their order.
#[test]
fn the_sample() {
    let at = |us: i64| 1_483_706_700_000_000 + us;
    let fact = |at_us, what| Fact { customer: 0, at_us, what };
    let facts = [
        fact(at(106_384_000), What::New),
        fact(at(52_041_000), What::Visit),
        fact(at(132_344_000), What::Image),
        fact(at(655_555_000), What::Order { order: 0, cents: 1_234 }),
    ];
    let statistics = folded(&facts, 4, TimeFrame::Dataset);
    assert_eq!(
        digest(&statistics, |_| "96f55c7d8f42".to_owned()),
        "f82f6fc060a196980aa6db40457bf009"
    );
    let (frame, weeks) =
        statistics.span(TimeFrame::Dataset, WeekStart::Sunday).expect("there are events");
    assert_eq!((frame.first_us, frame.last_us, weeks), (at(52_041_000), at(655_555_000), 1));
    let measure = Measures::new(&statistics, TimeFrame::Dataset, WeekStart::Sunday).of(0);
    assert_eq!(measure.expect("one customer").ltv_cents(Lifespan::default()), 641_680);
}

/// The events of the CDNOW sample, 6,919 real purchases of 2,357 customers, with the customers'
/// ids in the order of their ordinals.
#[cfg(feature = "cli")]
fn cdnow_facts() -> (Vec<Fact>, Vec<String>) {
    #[derive(serde::Deserialize)]
    struct Line {
        r#type: String,
        key: String,
        event_time: String,
        customer_id: Option<String>,
        total_amount: Option<String>,
    }

    let packed = include_bytes!("../../../tests/data/cdnow_sample.ndjson.gz");
    let mut text = String::new();
    flate2::read::GzDecoder::new(packed.as_slice()).read_to_string(&mut text).expect("gzip");
    let (mut facts, mut ids) = (Vec::new(), Vec::new());
    for line in text.lines() {
        let line: Line = serde_json::from_str(line).expect("an event");
        let at: jiff::Timestamp = line.event_time.parse().expect("an instant");
        let what = match line.r#type.as_str() {
            "CUSTOMER" => What::New,
            "SITE_VISIT" => What::Visit,
            _ => {
                let amount = line.total_amount.expect("orders have an amount");
                let digits = amount.replace(['.', ' '], "").replace("USD", "");
                assert_eq!(amount.find('.'), Some(amount.len() - "00 USD".len() - 1));
                let order = u32::try_from(facts.len()).expect("few events");
                What::Order { order, cents: digits.parse().expect("cents") }
            }
        };
        let id = line.customer_id.unwrap_or(line.key);
        // A customer's events follow each other in this file.
        if what == What::New {
            ids.push(id);
        } else {
            assert_eq!(ids.last(), Some(&id));
        }
        let customer = u32::try_from(ids.len() - 1).expect("few customers");
        facts.push(Fact { customer, at_us: at.as_microsecond(), what });
    }
    (facts, ids)
}

#[cfg(feature = "cli")]
#[test]
fn cdnow() {
    let (facts, ids) = cdnow_facts();
    let id = |ordinal: u32| ids[ordinal as usize].to_owned();
    let statistics = folded(&facts, 4_096, TimeFrame::Dataset);
    assert_eq!((statistics.events(), statistics.customers().len()), (16_195, 2_357));
    assert_eq!(digest(&statistics, id), "a4e008fb983cc4e2fe84762df237e48f");

    let measures = Measures::new(&statistics, TimeFrame::Dataset, WeekStart::Sunday);
    let mut asked = 0;
    let top = rank(3, &measures, &mut |ordinal| {
        asked += 1;
        Ok::<_, Fault>(id(ordinal))
    });
    let top = top.expect("ids never fail here").into_iter().map(|customer| {
        let measure = measures.of(customer.ordinal).expect("it was ranked");
        let ltv_cents = measure.ltv_cents(Lifespan::default());
        (customer.id, measure.revenue_cents, ltv_cents, measure.weeks)
    });
    let expected = [
        ("19339", 655_270, 4_313_170),
        ("05420", 194_358, 1_279_318),
        ("20111", 174_758, 1_150_306),
    ];
    assert_eq!(
        top.collect::<Vec<_>>(),
        expected.map(|(id, revenue, ltv)| (id.to_owned(), revenue, ltv, 79))
    );
    assert_eq!(asked, 3, "ids are read only for the answer");
}
