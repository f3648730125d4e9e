//! Answers from folded statistics: the top X, and one customer's.

use super::names::Names;
use super::picked::{Pick, pick, span};
use super::source::{Broken, Source};
use super::types::{Customer, Question, Span, Top};
use crate::Error;
use crate::projection::Lifespan;
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
        span(self.figures, self.question)
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
        let picks = pick(self.figures, &self.measures, ordinals);
        let picks = picks.map_err(|fault| fault.at(&self.source.path(), 0))?;
        described(&picks, self.question.lifespan, names)
    }
}

/// Customers with what the log says of them.
pub(super) fn described(
    picks: &[Pick],
    lifespan: Lifespan,
    names: &mut Names<'_>,
) -> Result<Vec<Customer>, Error> {
    let known = names.customers(picks)?;
    let told = picks.iter().zip(known);
    Ok(told.map(|(pick, known)| pick.told(known.id, known.fields, lifespan)).collect())
}
