//! Customers as `top` and `stats` print them, but for JSON.

use super::table::{Column, Grid, count};
use crate::Customer;
use crate::wire::{amount, instant};

/// The values that `top` and `stats` share, as a row of CSV has them.
fn shared_values(customer: &Customer) -> Vec<Option<String>> {
    vec![
        Some(customer.customer_id.clone()),
        customer.last_name.clone(),
        Some(amount(customer.ltv_cents)),
        Some(amount(customer.revenue_cents)),
        Some(customer.visits.to_string()),
        Some(customer.orders.to_string()),
        customer.revenue_per_visit_cents.map(amount),
        Some(amount(customer.visits_per_week_hundredths)),
    ]
}

/// A row of CSV of one of `top`'s.
fn ranked_row(rank: u64, customer: &Customer) -> Vec<Option<String>> {
    std::iter::once(Some(rank.to_string())).chain(shared_values(customer)).collect()
}

/// A row of CSV of one of `stats`'s.
fn known_row(customer: &Customer) -> Vec<Option<String>> {
    let mut row = shared_values(customer);
    row.push(Some(instant(customer.first_us)));
    row.push(Some(instant(customer.last_us)));
    row.push(customer.adr_city.clone());
    row.push(customer.adr_state.clone());
    row
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
    let rows = (1..).zip(customers).map(|(rank, one)| ranked_row(rank, one));
    std::iter::once(header).chain(rows).collect()
}

/// The rows of CSV that `stats` prints.
pub(crate) fn known_csv(customers: &[&Customer]) -> Vec<Vec<Option<String>>> {
    let names =
        SHARED_NAMES.into_iter().chain(["first_event", "last_event", "adr_city", "adr_state"]);
    let header = names.map(|name| Some(name.to_owned())).collect();
    let rows = customers.iter().map(|one| known_row(one));
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
