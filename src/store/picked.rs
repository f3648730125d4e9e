//! Figures of some customers, taken out of statistics that may change or go before the rest of an
//! answer is read from the log.

use std::path::Path;

use super::names::SHOWN;
use super::types::{Customer, Question, Span};
use crate::projection::figures::{Figures, Measures};
use crate::projection::ltv::Measure;
use crate::projection::rank::rank;
use crate::projection::updates::FieldUpdate;
use crate::projection::{CustomerStatistics, Lifespan, Statistics, TimeFrame};
use crate::{Error, Fault};

/// What an answer needs of [`Statistics`]: the rest is in the log. See
/// [`Store::top_picked`](super::Store::top_picked).
#[derive(Clone, Debug)]
pub struct Picked {
    pub(super) span: Option<Span>,
    /// The statistics' end, and how many customers they had.
    pub(super) end: u64,
    pub(super) customer_count: u32,
    pub(super) lifespan: Lifespan,
    pub(super) picks: Vec<Pick>,
}

/// One customer's.
#[derive(Clone, Debug)]
pub(super) struct Pick {
    pub(super) ordinal: u32,
    whole: CustomerStatistics,
    measure: Measure,
    /// Of each field that is shown, the update that may give it its value.
    pub(super) updates: [Option<FieldUpdate>; SHOWN.len()],
}

impl Picked {
    /// The top `x` of statistics. Ids decide between equals: `id_of` has them by ordinal.
    ///
    /// # Errors
    ///
    /// [`Error::Options`] if the statistics were folded over another window of time than the
    /// question's, or if `id_of` lacks an id.
    pub fn top(
        statistics: &Statistics,
        x: usize,
        question: &Question,
        id_of: &mut dyn FnMut(u32) -> Option<String>,
    ) -> Result<Picked, Error> {
        check_window(statistics, question)?;
        let measures = Measures::new(statistics, question.frame, question.week_start);
        let unknown = Fault::Corrupt("a customer has no id");
        let mut id_of = |ordinal| id_of(ordinal).ok_or(unknown);
        let ranked = rank(x, &measures, &mut id_of).map_err(in_memory)?;
        let ordinals: Vec<u32> = ranked.iter().map(|one| one.ordinal).collect();
        Picked::of(statistics, &ordinals, question)
    }

    /// Customers of statistics, in the order of `ordinals`.
    ///
    /// # Errors
    ///
    /// [`Error::Options`] as [`Picked::top`], and if the statistics lack one of the customers.
    pub fn of(
        statistics: &Statistics,
        ordinals: &[u32],
        question: &Question,
    ) -> Result<Picked, Error> {
        check_window(statistics, question)?;
        let customer_count = statistics.customer_count();
        if let Some(unknown) = ordinals.iter().find(|ordinal| **ordinal >= customer_count) {
            let reason =
                format!("the statistics have {customer_count} customers, and none is {unknown}");
            return Err(Error::Options { reason });
        }
        let measures = Measures::new(statistics, question.frame, question.week_start);
        Ok(Picked {
            span: span(statistics, question),
            end: statistics.end(),
            customer_count,
            lifespan: question.lifespan,
            picks: pick(statistics, &measures, ordinals).map_err(in_memory)?,
        })
    }
}

/// Statistics in memory are whole, unless somebody made a mistake.
fn in_memory(fault: Fault) -> Error {
    fault.at(Path::new("(statistics)"), 0)
}

/// Figures of customers, in the order of `ordinals`.
pub(super) fn pick(
    figures: &dyn Figures,
    measures: &Measures<'_>,
    ordinals: &[u32],
) -> Result<Vec<Pick>, Fault> {
    let pick = |ordinal: &u32| {
        let mut updates = [None; SHOWN.len()];
        for (update, field) in updates.iter_mut().zip(SHOWN) {
            *update = figures.field_update(*ordinal, field)?;
        }
        let whole = figures.customer(*ordinal)?;
        Ok(Pick { ordinal: *ordinal, whole, measure: measures.measure(&whole), updates })
    };
    ordinals.iter().map(pick).collect()
}

/// The time the statistics were taken over; none on an empty log, or where each customer has a time
/// of its own.
pub(super) fn span(figures: &dyn Figures, question: &Question) -> Option<Span> {
    if question.frame == TimeFrame::Customer {
        return None;
    }
    let (frame, weeks) = question.frame.span(figures.frame(), question.week_start)?;
    Some(Span { first_us: frame.first_us, last_us: frame.last_us, weeks })
}

/// Whether statistics count what a question asks about.
fn check_window(statistics: &Statistics, question: &Question) -> Result<(), Error> {
    if statistics.window_us() == question.frame.window_us() {
        return Ok(());
    }
    let reason = "the statistics were folded over another window of time".to_owned();
    Err(Error::Options { reason })
}

impl Pick {
    /// The same with the customer's id and fields.
    pub(super) fn told(&self, id: String, fields: [Option<String>; 3], life: Lifespan) -> Customer {
        let Pick { whole, measure, .. } = self;
        let [last_name, adr_city, adr_state] = fields;
        Customer {
            customer_id: id,
            last_name,
            adr_city,
            adr_state,
            ltv_cents: measure.ltv_cents(life),
            revenue_cents: measure.revenue_cents,
            visits: measure.visits,
            orders: measure.orders,
            revenue_per_visit_cents: measure.revenue_per_visit_cents(),
            visits_per_week_hundredths: measure.visits_per_week_hundredths(),
            first_us: whole.first_us,
            last_us: whole.last_us,
        }
    }
}
