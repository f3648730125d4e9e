//! Answers from folded statistics: the top X, and one customer's.

use super::names::{Names, Newcomer};
use super::source::{Broken, Source};
use super::types::{Customer, Question, Span, Top};
use crate::Error;
use crate::projection::TimeFrame;
use crate::projection::figures::{Figures, Measures};
use crate::projection::rank::rank;

/// Statistics as a question wants them.
pub(super) struct Answers<'a> {
    source: &'a Source<'a>,
    figures: &'a dyn Figures,
    measures: Measures<'a>,
    question: &'a Question,
}

impl<'a> Answers<'a> {
    /// The statistics must be folded over the question's frame.
    pub(super) fn new(
        source: &'a Source<'a>,
        figures: &'a dyn Figures,
        question: &'a Question,
    ) -> Answers<'a> {
        let measures = Measures::new(figures, question.frame, question.week_start);
        Answers { source, figures, measures, question }
    }

    /// The time the statistics were taken over; none on an empty log, or where each customer has
    /// a time of its own.
    pub(super) fn span(&self) -> Option<Span> {
        if self.question.frame == TimeFrame::Customer {
            return None;
        }
        let Question { frame: over, week_start, .. } = self.question;
        let (frame, weeks) = over.span(self.figures.frame(), *week_start)?;
        Some(Span { first_us: frame.first_us, last_us: frame.last_us, weeks })
    }

    /// The top `x`: O(n log x) time, O(x) memory beyond the statistics.
    pub(super) fn top(&self, x: usize, currency: [u8; 3]) -> Result<Top, Error> {
        let mut names = Names::new(self.source);
        let ranked = rank(x, &self.measures, &mut |ordinal| Ok(names.id(ordinal)?));
        let ranked = ranked.map_err(|broken: Broken| broken.at(&self.source.path(), 0))?;
        let ordinals: Vec<u32> = ranked.iter().map(|one| one.ordinal).collect();
        let customers = self.customers(&ordinals, &mut names)?;
        Ok(Top { currency, span: self.span(), end: self.figures.end(), customers })
    }

    /// Customers' statistics and fields, in the order of `ordinals`.
    pub(super) fn customers(
        &self,
        ordinals: &[u32],
        names: &mut Names<'_>,
    ) -> Result<Vec<Customer>, Error> {
        let known = names.customers(ordinals, self.figures)?;
        ordinals.iter().zip(known).map(|(ordinal, known)| self.customer(*ordinal, known)).collect()
    }

    fn customer(&self, ordinal: u32, known: Newcomer) -> Result<Customer, Error> {
        let [last_name, adr_city, adr_state] = known.fields;
        let whole = self.figures.customer(ordinal);
        let whole = whole.map_err(|fault| fault.at(&self.source.path(), 0))?;
        let measure = self.measures.measure(&whole);
        Ok(Customer {
            customer_id: known.id,
            last_name,
            adr_city,
            adr_state,
            ltv_cents: measure.ltv_cents(self.question.lifespan),
            revenue_cents: measure.revenue_cents,
            visits: measure.visits,
            orders: measure.orders,
            revenue_per_visit_cents: measure.revenue_per_visit_cents(),
            visits_per_week_hundredths: measure.visits_per_week_hundredths(),
            first_us: whole.first_us,
            last_us: whole.last_us,
        })
    }
}
