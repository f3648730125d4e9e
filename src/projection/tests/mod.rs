//! Tests of the whole room: batches built by hand, folded, compared with what a naive model says.

mod checkpoint;
mod facts;
mod faults;
mod fold;
mod known;
mod overlay;
mod parts;
mod saved;
