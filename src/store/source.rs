//! Batches to read, wherever they are: in a log, or staged.

use std::path::PathBuf;

use super::stage::{Stage, Staged};
use crate::Error;
use crate::codec::Batch;
use crate::log::{Frame, View};

/// Something that batches are read from.
pub(super) enum Source<'a> {
    /// Another writer's log, as it was when it was looked at.
    View(Box<View>),
    /// This store's own, with what it has not synced.
    Own(&'a View),
    Stage(&'a Stage),
}

/// Receives a batch; false ends the reading. What it cannot decode is the log's damage.
pub(super) type EachBatch<'a> = dyn FnMut(&Batch<'_>) -> Result<bool, Broken> + 'a;

/// Why a batch was not taken.
pub(super) enum Broken {
    /// Its bytes are wrong; where they are is known one level up.
    Fault(crate::Fault),
    /// Something else failed.
    Error(Error),
}

impl From<crate::Fault> for Broken {
    fn from(fault: crate::Fault) -> Broken {
        Broken::Fault(fault)
    }
}

impl From<Error> for Broken {
    fn from(error: Error) -> Broken {
        Broken::Error(error)
    }
}

impl Source<'_> {
    /// The sequence after the last event.
    pub(super) fn end(&self) -> u64 {
        match self {
            Source::Stage(stage) => stage.end(),
            Source::View(_) | Source::Own(_) => self.view().map_or(0, View::end),
        }
    }

    /// The log that is read, unless batches are staged.
    pub(super) fn view(&self) -> Option<&View> {
        match self {
            Source::View(view) => Some(view),
            Source::Own(view) => Some(view),
            Source::Stage(_) => None,
        }
    }

    /// What errors name: the log's directory.
    pub(super) fn path(&self) -> PathBuf {
        self.view().map_or_else(|| PathBuf::from("(temporary)"), |view| view.dir().to_path_buf())
    }

    /// The id of the log; 0 of staged batches.
    pub(super) fn log_id(&self) -> u64 {
        self.view().map_or(0, |view| view.meta().log_id)
    }

    /// The chain at a sequence where a batch ends, by which a checkpoint recognises its log.
    pub(super) fn chain_at(&self, sequence: u64) -> Result<Option<u32>, Error> {
        self.view().map_or(Ok(None), |view| view.chain_at(sequence))
    }

    /// Gives the batches that hold events from `from` on, in order.
    pub(super) fn batches(&self, from: u64, each: &mut EachBatch<'_>) -> Result<(), Error> {
        if let Some(view) = self.view() {
            for frame in view.frames(from) {
                if !give(&frame?, each)? {
                    break;
                }
            }
        }
        if let Source::Stage(stage) = self {
            let is_before = |batch: &Staged| batch.first_seq + u64::from(batch.events) <= from;
            let first = stage.batches().partition_point(is_before);
            for staged in stage.batches().iter().skip(first) {
                if !give(&stage.read(staged)?, each)? {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Gives the batch that holds a sequence, if there is one.
    pub(super) fn batch_of(&self, sequence: u64, each: &mut EachBatch<'_>) -> Result<(), Error> {
        let frame = match self {
            Source::View(view) => view.frame_of(sequence)?,
            Source::Own(view) => view.frame_of(sequence)?,
            Source::Stage(stage) => Some(stage.batch(sequence)?),
        };
        frame.map_or(Ok(()), |frame| give(&frame, each).map(|_| ()))
    }

    /// Gives the batch that holds a customer's CUSTOMER NEW, if there is one.
    pub(super) fn batch_of_customer(
        &self,
        ordinal: u32,
        each: &mut EachBatch<'_>,
    ) -> Result<(), Error> {
        let frame = match self {
            Source::View(view) => view.frame_of_customer(ordinal)?,
            Source::Own(view) => view.frame_of_customer(ordinal)?,
            Source::Stage(stage) => Some(stage.batch_of_customer(ordinal)?),
        };
        frame.map_or(Ok(()), |frame| give(&frame, each).map(|_| ()))
    }
}

fn give(frame: &Frame<'_>, each: &mut EachBatch<'_>) -> Result<bool, Error> {
    Batch::decode(&frame.body, frame.first_seq, frame.events)
        .map_err(Broken::Fault)
        .and_then(|batch| each(&batch))
        .map_err(|broken| broken.at(frame.path, frame.offset))
}

impl Broken {
    pub(super) fn at(self, path: &std::path::Path, offset: u64) -> Error {
        match self {
            Broken::Fault(fault) => fault.at(path, offset),
            Broken::Error(error) => error,
        }
    }
}
