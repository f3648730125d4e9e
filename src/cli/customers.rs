//! Customers as `top` and `stats` print them.

use serde::Serialize;

use super::table::{Column, Grid, amount, count};
use super::time::instant;
use crate::Customer;

/// A customer in JSON. Absent fields are null; those of the other command are left out.
#[derive(Serialize)]
pub(crate) struct CustomerJson<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    rank: Option<u64>,
    customer_id: &'a str,
    last_name: Option<&'a str>,
    ltv: String,
    revenue: String,
    visits: u32,
    orders: u32,
    revenue_per_visit: Option<String>,
    visits_per_week: String,
    #[serde(flatten)]
    known: Option<KnownJson<'a>>,
}

/// What only `stats` tells.
#[derive(Serialize)]
struct KnownJson<'a> {
    first_event: String,
    last_event: String,
    adr_city: Option<&'a str>,
    adr_state: Option<&'a str>,
}

impl<'a> CustomerJson<'a> {
    /// As `top` has it.
    pub(crate) fn ranked(rank: u64, customer: &'a Customer) -> CustomerJson<'a> {
        CustomerJson { rank: Some(rank), ..CustomerJson::bare(customer) }
    }

    /// As `stats` has it.
    pub(crate) fn known(customer: &'a Customer) -> CustomerJson<'a> {
        let known = KnownJson {
            first_event: instant(customer.first_us),
            last_event: instant(customer.last_us),
            adr_city: customer.adr_city.as_deref(),
            adr_state: customer.adr_state.as_deref(),
        };
        CustomerJson { known: Some(known), ..CustomerJson::bare(customer) }
    }

    fn bare(customer: &'a Customer) -> CustomerJson<'a> {
        CustomerJson {
            rank: None,
            customer_id: &customer.customer_id,
            last_name: customer.last_name.as_deref(),
            ltv: amount(customer.ltv_cents),
            revenue: amount(customer.revenue_cents),
            visits: customer.visits,
            orders: customer.orders,
            revenue_per_visit: customer.revenue_per_visit_cents.map(amount),
            visits_per_week: amount(customer.visits_per_week_hundredths),
            known: None,
        }
    }

    /// The same values as a row of CSV.
    fn row(self) -> Vec<Option<String>> {
        let text = |text: &str| Some(text.to_owned());
        let mut row: Vec<Option<String>> = Vec::new();
        row.extend(self.rank.map(|rank| Some(rank.to_string())));
        row.push(text(self.customer_id));
        row.push(self.last_name.and_then(text));
        row.push(Some(self.ltv));
        row.push(Some(self.revenue));
        row.push(Some(self.visits.to_string()));
        row.push(Some(self.orders.to_string()));
        row.push(self.revenue_per_visit);
        row.push(Some(self.visits_per_week));
        if let Some(known) = self.known {
            row.push(Some(known.first_event));
            row.push(Some(known.last_event));
            row.push(known.adr_city.and_then(text));
            row.push(known.adr_state.and_then(text));
        }
        row
    }
}

const SHARED_NAMES: [&str; 8] = [
    "customer_id",
    "last_name",
    "ltv",
    "revenue",
    "visits",
    "orders",
    "revenue_per_visit",
    "visits_per_week",
];

/// The rows of CSV that `top` prints.
pub(crate) fn ranked_csv(customers: &[Customer]) -> Vec<Vec<Option<String>>> {
    let names = ["rank"].into_iter().chain(SHARED_NAMES);
    let header = names.map(|name| Some(name.to_owned())).collect();
    let rows = (1..).zip(customers).map(|(rank, one)| CustomerJson::ranked(rank, one).row());
    std::iter::once(header).chain(rows).collect()
}

/// The rows of CSV that `stats` prints.
pub(crate) fn known_csv(customers: &[&Customer]) -> Vec<Vec<Option<String>>> {
    let names =
        SHARED_NAMES.into_iter().chain(["first_event", "last_event", "adr_city", "adr_state"]);
    let header = names.map(|name| Some(name.to_owned())).collect();
    let rows = customers.iter().map(|one| CustomerJson::known(one).row());
    std::iter::once(header).chain(rows).collect()
}

/// The table that `top` prints.
pub(crate) fn ranked_table(customers: &[Customer]) -> String {
    let mut grid = Grid::new(&[
        Column("rank", true),
        Column("customer_id", false),
        Column("last_name", false),
        Column("ltv", true),
        Column("revenue", true),
        Column("visits", true),
        Column("orders", true),
        Column("revenue_per_visit", true),
        Column("visits_per_week", true),
    ]);
    for (rank, customer) in (1_u64..).zip(customers) {
        grid.row(vec![
            count(rank),
            customer.customer_id.clone(),
            or_dash(customer.last_name.as_deref()),
            amount(customer.ltv_cents),
            amount(customer.revenue_cents),
            count(customer.visits),
            count(customer.orders),
            customer.revenue_per_visit_cents.map_or_else(|| "-".to_owned(), amount),
            amount(customer.visits_per_week_hundredths),
        ]);
    }
    grid.text()
}

/// All that is known of one customer, a line for each fact.
pub(crate) fn known_table(customer: &Customer, currency: &str) -> String {
    let with_currency = |cents: i128| format!("{} {currency}", amount(cents));
    let mut grid = Grid::pairs();
    grid.pair("customer_id", &*customer.customer_id);
    grid.pair("last_name", or_dash(customer.last_name.as_deref()));
    grid.pair("adr_city", or_dash(customer.adr_city.as_deref()));
    grid.pair("adr_state", or_dash(customer.adr_state.as_deref()));
    grid.pair("ltv", with_currency(customer.ltv_cents));
    grid.pair("revenue", with_currency(customer.revenue_cents.into()));
    grid.pair("visits", count(customer.visits));
    grid.pair("orders", count(customer.orders));
    let per_visit = customer.revenue_per_visit_cents.map(|cents| with_currency(cents.into()));
    grid.pair("revenue_per_visit", or_dash(per_visit.as_deref()));
    grid.pair("visits_per_week", amount(customer.visits_per_week_hundredths));
    grid.pair("first_event", instant(customer.first_us));
    grid.pair("last_event", instant(customer.last_us));
    grid.text()
}

fn or_dash(text: Option<&str>) -> String {
    text.unwrap_or("-").to_owned()
}
