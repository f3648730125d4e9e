//! The charts: what happened by week, and how lifetime values are distributed.
//!
//! They are drawn for the width that they are shown at, so that their letters have one size on
//! every screen. Each says in words what it shows; the page has a table beside it.

use super::amounts::{grouped_cents, grouped_count, short_cents, short_count};
use super::distribution::Distribution;
use super::scale::Scale;
use super::svg::{Px, Svg};
use crate::serve::weeks::{Week, first_day};

/// Room for the numbers of an axis.
const LEFT: f64 = 46.0;
const RIGHT: f64 = 8.0;
/// Room between a panel and the one below, with the names of weeks or values.
const FOOT: f64 = 20.0;
/// Names of an axis need so much room.
const NAME_WIDTH: f64 = 62.0;

/// The part of an image that one scale holds for.
struct Panel {
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
    scale: Scale,
}

impl Panel {
    fn y(&self, value: i128) -> f64 {
        self.bottom - self.scale.part(value) * (self.bottom - self.top)
    }

    /// Where the n-th of so many bars begins, and how wide it is with the gap after it.
    fn slot(&self, n: usize, of: usize) -> (f64, f64) {
        let width = (self.right - self.left) / of.max(1) as f64;
        (self.left + n as f64 * width, width)
    }

    /// Lines at round numbers, and the numbers.
    fn axis(&self, svg: &mut Svg, name: &str, short: impl Fn(i128) -> String) {
        for tick in self.scale.ticks() {
            let y = Px(self.y(tick).round() + 0.5);
            let class = if tick == 0 { "zero" } else { "grid" };
            let opacity = if tick == 0 { 0.5 } else { 0.15 };
            let (left, right) = (Px(self.left), Px(self.right));
            svg.leaf(
                "line",
                &[
                    ("class", &class),
                    ("x1", &left),
                    ("x2", &right),
                    ("y1", &y),
                    ("y2", &y),
                    ("stroke", &"currentColor"),
                    ("stroke-opacity", &opacity),
                ],
            );
            let (x, y) = (Px(self.left - 6.0), Px(self.y(tick) + 4.0));
            let attributes: super::svg::Attributes<'_> =
                &[("class", &"tick"), ("x", &x), ("y", &y), ("text-anchor", &"end")];
            svg.text("text", attributes, &short(tick));
        }
        let (x, y) = (Px(0.0), Px(self.top - 10.0));
        svg.text("text", &[("class", &"name"), ("x", &x), ("y", &y)], name);
    }

    /// A bar from 0 to a value.
    fn bar(&self, svg: &mut Svg, class: &str, (x, width): (f64, f64), value: i128) {
        if value == 0 {
            return;
        }
        let gap = if width >= 12.0 { 2.0 } else { f64::from(u8::from(width >= 4.0)) };
        let (from, to) = (self.y(0), self.y(value));
        let height = (from - to).abs().max(1.0);
        svg.leaf(
            "rect",
            &[
                ("class", &class),
                ("x", &Px(x + gap / 2.0)),
                ("y", &Px(if value < 0 { from } else { from - height })),
                ("width", &Px(width - gap)),
                ("height", &Px(height)),
            ],
        );
    }
}

/// What lies under the pointer is told. It has the whole height, so that small bars are found.
fn hint(svg: &mut Svg, (x, width): (f64, f64), height: f64, text: &str) {
    let (x, width) = (Px(x), Px(width));
    svg.open(
        "rect",
        &[
            ("class", &"hint"),
            ("x", &x),
            ("y", &0),
            ("width", &width),
            ("height", &Px(height)),
            ("fill-opacity", &0),
        ],
    );
    svg.text("title", &[], text);
    svg.close();
}

/// Weeks as they are drawn.
pub(super) struct WeeksChart<'a> {
    /// Of whom, if not of all.
    pub(super) customer: Option<&'a str>,
    pub(super) currency: &'a str,
    /// The weeks where something happened, oldest first.
    pub(super) weeks: &'a [(i64, Week)],
    pub(super) width: u32,
}

/// Wider charts than so many weeks would have bars too thin to see.
const WEEKS_MAX: i64 = 520;

impl WeeksChart<'_> {
    /// Revenue above, visits below, over the same weeks.
    pub(super) fn draw(&self) -> String {
        const HEIGHT: u32 = 280;
        let title = match self.customer {
            None => "Revenue and visits by week".to_owned(),
            Some(id) => format!("Revenue and visits of {id} by week"),
        };
        let weeks = self.without_gaps();
        let mut svg = Svg::new("weeks", (self.width, HEIGHT), &title, &self.told(&weeks));
        let (left, right) = (LEFT, f64::from(self.width) - RIGHT);
        let greatest = |of: fn(&Week) -> i128| {
            let values = || weeks.iter().map(|(_, week)| of(week));
            Scale::over(values().min().unwrap_or(0), values().max().unwrap_or(0))
        };
        let revenue = greatest(|week| week.revenue_cents);
        let visits = greatest(|week| i128::from(week.visits));
        let above = Panel { left, right, top: 24.0, bottom: 150.0, scale: revenue };
        let below = Panel { left, right, top: 194.0, bottom: 258.0, scale: visits };
        above.axis(&mut svg, &format!("Revenue, {}", self.currency), short_cents);
        below.axis(&mut svg, "Visits", short_count);
        for (n, (number, week)) in weeks.iter().enumerate() {
            let slot = above.slot(n, weeks.len());
            above.bar(&mut svg, "bar revenue", slot, week.revenue_cents);
            below.bar(&mut svg, "bar visits", slot, week.visits.into());
            if *week != Week::default() {
                hint(&mut svg, slot, f64::from(HEIGHT), &self.told_of(*number, week));
            }
        }
        for (n, name) in names(&weeks, right - left) {
            let (x, _) = below.slot(n, weeks.len());
            let y = Px(below.bottom + FOOT - 5.0);
            svg.text("text", &[("class", &"tick"), ("x", &Px(x)), ("y", &y)], &name);
        }
        svg.finish()
    }

    fn without_gaps(&self) -> Vec<(i64, Week)> {
        let (Some((first, _)), Some((last, _))) = (self.weeks.first(), self.weeks.last()) else {
            return Vec::new();
        };
        let first = (*first).max(last.saturating_sub(WEEKS_MAX - 1));
        let mut some = self.weeks.iter().filter(|(number, _)| *number >= first).peekable();
        let next = |number| {
            let week = some.next_if(|(some, _)| *some == number);
            (number, week.map(|(_, week)| *week).unwrap_or_default())
        };
        (first..=*last).map(next).collect()
    }

    fn told(&self, weeks: &[(i64, Week)]) -> String {
        let (Some((first, _)), Some((last, _))) = (weeks.first(), weeks.last()) else {
            return "No visit and no order yet.".to_owned();
        };
        let revenue: i128 = weeks.iter().map(|(_, week)| week.revenue_cents).sum();
        let visits: i64 = weeks.iter().map(|(_, week)| week.visits).sum();
        let mut text = format!(
            "{} weeks, from that of {} to that of {}: {} {} and {} visits in all.",
            grouped_count(weeks.len() as i128),
            first_day(*first),
            first_day(*last),
            grouped_cents(revenue),
            self.currency,
            grouped_count(visits),
        );
        if let Some((number, week)) = weeks.iter().max_by_key(|(_, week)| week.revenue_cents) {
            text.push_str(" Most revenue: ");
            text.push_str(&self.told_of(*number, week));
        }
        text
    }

    fn told_of(&self, number: i64, week: &Week) -> String {
        format!(
            "week of {}, {} {}, orders: {}, visits: {}",
            first_day(number),
            grouped_cents(week.revenue_cents),
            self.currency,
            grouped_count(week.orders),
            grouped_count(week.visits)
        )
    }
}

/// Which weeks are named, and how: the first of a year, or of a month, as there is room.
fn names(weeks: &[(i64, Week)], width: f64) -> Vec<(usize, String)> {
    const STEPS: [i64; 7] = [1, 3, 6, 12, 24, 60, 120];
    let months = weeks.len() as f64 / 4.35;
    let fits = |step: &i64| months / (*step as f64) * NAME_WIDTH <= width;
    let step = STEPS.into_iter().find(fits).unwrap_or(120);
    let mut named = Vec::new();
    let mut before = None;
    for (n, (number, _)) in weeks.iter().enumerate() {
        let day = first_day(*number);
        let mut parts = day.split('-').map(|part| part.parse::<i64>().unwrap_or(0));
        let (year, month) = (parts.next().unwrap_or(0), parts.next().unwrap_or(1));
        let period = (year * 12 + month - 1).div_euclid(step);
        if before != Some(period) {
            let digits = if step >= 12 { 4 } else { 7 };
            named.push((n, day.get(..digits).unwrap_or(&day).to_owned()));
        }
        before = Some(period);
    }
    let place = |n: usize| n as f64 / weeks.len() as f64 * width;
    // The first period began before, and may have little room; the last name would stand out.
    let second = named.get(1).map_or(width, |(n, _)| place(*n));
    if second < NAME_WIDTH {
        named.remove(0);
    }
    named.retain(|(n, _)| place(*n) + NAME_WIDTH / 2.0 <= width);
    named
}

/// A bar of the histogram: what stands below it, what it is in words, and how many.
struct Bar {
    name: String,
    told: String,
    customers: u64,
    /// Whether it is a step, that begins at its name; else it is of the one value of its name.
    is_step: bool,
}

fn bars(found: &Distribution) -> Vec<Bar> {
    let one = |name: &str, told: &str, customers| {
        let (name, told) = (name.to_owned(), told.to_owned());
        (customers > 0).then_some(Bar { name, told, customers, is_step: false })
    };
    let steps = found.bins.iter().map(|bin| {
        let (from, to) = (grouped_cents(bin.from_cents), grouped_cents(bin.to_cents));
        let told = format!("from {from} to below {to}");
        let name = short_cents(bin.from_cents);
        Bar { name, told, customers: bin.customers, is_step: true }
    });
    let below = one("<0", "below 0", found.negative);
    let zero = one("0", "of exactly 0", found.zero);
    below.into_iter().chain(zero).chain(steps).collect()
}

/// Draws how lifetime values are distributed.
pub(super) fn distribution(found: &Distribution, currency: &str, width: u32) -> String {
    const HEIGHT: u32 = 244;
    let bars = bars(found);
    let title = "Customers by lifetime value";
    let about = told(found, &bars, currency);
    let mut svg = Svg::new("distribution", (width, HEIGHT), title, &about);
    let greatest = bars.iter().map(|bar| i128::from(bar.customers)).max();
    let panel = Panel {
        left: LEFT,
        right: f64::from(width) - RIGHT,
        top: 24.0,
        bottom: f64::from(HEIGHT) - FOOT,
        scale: Scale::over(0, greatest.unwrap_or(0)),
    };
    panel.axis(&mut svg, &format!("Customers, by lifetime value in {currency}"), short_count);
    let (_, slot_width) = panel.slot(0, bars.len());
    // Names of every step, of every other one, … as there is room.
    let every = [1, 2, 3, 6, 9].into_iter().find(|every| f64::from(*every) * slot_width >= 34.0);
    let every = usize::try_from(every.unwrap_or(12)).unwrap_or(1);
    let first_step = bars.iter().position(|bar| bar.is_step).unwrap_or(0);
    for (n, bar) in bars.iter().enumerate() {
        let slot = panel.slot(n, bars.len());
        let class = if bar.is_step { "bar customers" } else { "bar apart" };
        // What is no step stands off a little.
        let width = if bar.is_step { slot.1 } else { slot.1 * 0.7 };
        panel.bar(&mut svg, class, (slot.0, width), i128::from(bar.customers));
        let text = format!("{} {currency}: {}", bar.told, grouped_count(bar.customers));
        hint(&mut svg, slot, f64::from(HEIGHT), &text);
        let middle = if bar.is_step { 0.0 } else { width / 2.0 };
        if !bar.is_step || (n - first_step).is_multiple_of(every) {
            let (x, y) = (Px(slot.0 + middle), Px(panel.bottom + FOOT - 5.0));
            let attributes: super::svg::Attributes<'_> =
                &[("class", &"tick"), ("x", &x), ("y", &y), ("text-anchor", &"middle")];
            svg.text("text", attributes, &bar.name);
        }
    }
    svg.finish()
}

fn told(found: &Distribution, bars: &[Bar], currency: &str) -> String {
    if found.customers == 0 {
        return "No customer yet.".to_owned();
    }
    let mut text = format!("{} customers.", grouped_count(found.customers));
    if let Some(most) = bars.iter().max_by_key(|bar| bar.customers) {
        let (customers, most) = (grouped_count(most.customers), &most.told);
        text.push_str(&format!(" Most, {customers}, have a value {most} {currency}."));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::distribution::Bin;
    use super::super::svg::tests::well_formed;
    use super::*;

    fn week(number: i64, revenue_cents: i128, visits: i64) -> (i64, Week) {
        (number, Week { revenue_cents, visits, orders: 1 })
    }

    #[test]
    fn every_chart_is_well_formed_and_says_what_it_shows() {
        let some = [week(2453, 123_456, 3), week(2455, -50_000, 0), week(2460, 9, 400)];
        let long: Vec<_> = (0..3_000).map(|n| week(n, i128::from(n) << 40, n)).collect();
        for weeks in [&some[..], &some[..1], &[], &long] {
            for width in [240, 390, 1600] {
                let customer = Some("<script>alert(1)</script>");
                let chart = WeeksChart { customer, currency: "USD", weeks, width };
                let svg = chart.draw();
                let texts = well_formed(&svg);
                assert!(texts[0].contains("of &lt;script&gt;alert(1)&lt;/script&gt; by"));
                assert!(!svg.contains("<script") && !svg.contains("NaN"), "{svg}");
                assert!(svg.len() < 300_000, "{}", svg.len());
            }
        }
        let chart = WeeksChart { customer: None, currency: "USD", weeks: &some, width: 600 };
        let svg = chart.draw();
        let told = "8 weeks, from that of 2017-01-01 to that of 2017-02-19: 734.65 USD and 403 \
                    visits in all. Most revenue: week of 2017-01-01, 1,234.56 USD, orders: 1, \
                    visits: 3";
        assert!(svg.contains(told), "{svg}");
        assert_eq!(svg.matches("class=\"bar revenue\"").count(), 3);
        assert_eq!(svg.matches("class=\"bar visits\"").count(), 2);
    }

    #[test]
    fn a_distribution_is_drawn_with_those_who_have_no_value() {
        let bin = |from_cents, to_cents, customers| Bin { from_cents, to_cents, customers };
        let found = Distribution {
            end: 9,
            customers: 70,
            negative: 1,
            zero: 9,
            bins: vec![bin(100_000, 200_000, 20), bin(200_000, 500_000, 40)],
        };
        let svg = distribution(&found, "USD", 400);
        let texts = well_formed(&svg);
        let told = "70 customers. Most, 40, have a value from 2,000.00 to below 5,000.00 USD.";
        assert_eq!(texts[1], told);
        for text in ["&lt;0", "1k", "2k", "of exactly 0 USD: 9"] {
            assert!(texts.iter().any(|one| one == text), "{text} in {texts:?}");
        }
        assert_eq!(svg.matches("class=\"bar customers\"").count(), 2);
        assert_eq!(svg.matches("class=\"bar apart\"").count(), 2);
        let empty = distribution(&Distribution::default(), "USD", 400);
        assert!(well_formed(&empty).contains(&"No customer yet.".to_owned()));
    }

    #[test]
    fn names_of_weeks_do_not_meet() {
        for count in [1, 5, 30, 160, 520] {
            let weeks: Vec<_> = (2453..2453 + count).map(|number| week(number, 1, 1)).collect();
            for width in [200.0, 350.0, 1_000.0] {
                let named = names(&weeks, width);
                assert!(!named.is_empty());
                let places = named.iter().map(|(n, _)| *n as f64 / count as f64 * width);
                let places: Vec<f64> = places.collect();
                for pair in places.windows(2) {
                    assert!(pair[1] - pair[0] > 40.0, "{count} weeks in {width}: {named:?}");
                }
            }
        }
    }
}
