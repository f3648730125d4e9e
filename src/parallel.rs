//! Events read on several threads, and handed over in order to one: the only threads there are.
//!
//! Whoever of the readers has the source cuts the next block from it, which costs little, and
//! reads the events of the block while another one has the source. There are only so many blocks,
//! so a receiver that is slow makes the readers wait, and memory does not grow with the source.

use std::collections::BTreeMap;
use std::io::BufRead;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, Builder};

use crate::Error;
use crate::event::{Cutter, EventBlock, Flow, ReadError, Rules, ShapeReader};

/// Blocks beside those that are being read: one that is taken, and one that is ready by then.
const BLOCKS_READY: usize = 2;

/// Gives every event of a source to `each`, in blocks, as [`read_events`](crate::read_events)
/// gives them one by one: the same events and rejections in the same order, and the same errors.
///
/// Up to `threads` threads read; with fewer than two the calling one does. `each` is called by
/// the calling thread. The readers are ahead of it by a few blocks of half a megabyte, and if it
/// wants no more, or fails, what the source was asked for last is still waited for. No event is
/// kept back until others come.
///
/// # Errors
/// As [`read_events`](crate::read_events).
pub fn read_blocks(
    source: &mut (dyn BufRead + Send),
    rules: &Rules,
    threads: usize,
    each: &mut dyn FnMut(&EventBlock) -> Result<Flow, Error>,
) -> Result<Flow, ReadError> {
    read_with(source, rules, threads, &|_| Builder::new(), each)
}

/// The same on threads that are made so, each by its number.
fn read_with(
    source: &mut (dyn BufRead + Send),
    rules: &Rules,
    threads: usize,
    builder: &dyn Fn(usize) -> Builder,
    each: &mut dyn FnMut(&EventBlock) -> Result<Flow, Error>,
) -> Result<Flow, ReadError> {
    let cutter = Cutter::new(source);
    if threads < 2 {
        return read_alone(cutter, rules, each);
    }
    let (hand_back, free) = channel();
    let (done, ready) = channel();
    for _ in 0..threads + BLOCKS_READY {
        hand_back.send(EventBlock::default()).expect("the other end is here");
    }
    let shared = Mutex::new(Shared { cutter, free, number: 0 });
    let answer = thread::scope(|scope| {
        // A thread that the system does not give is one less.
        let start = |number| {
            let (shared, done) = (&shared, Done(done.clone()));
            builder(number).spawn_scoped(scope, move || work(shared, rules, done)).ok()
        };
        let readers = (0..threads).map_while(start).count();
        drop(done);
        // What is taken away from the readers at the end of this makes them end, too.
        (readers > 0).then(|| take(ready, hand_back, each))
    });
    answer.unwrap_or_else(|| {
        let shared = shared.into_inner().expect("where no reader was, none has panicked");
        read_alone(shared.cutter, rules, each)
    })
}

fn read_alone(
    mut cutter: Cutter<'_>,
    rules: &Rules,
    each: &mut dyn FnMut(&EventBlock) -> Result<Flow, Error>,
) -> Result<Flow, ReadError> {
    let mut shapes = ShapeReader::new(rules);
    let mut block = EventBlock::default();
    let mut stopped = None;
    let mut give = |block: &mut EventBlock| {
        let answer = if block.is_empty() { Ok(Flow::Continue) } else { each(block) };
        block.clear();
        if !matches!(answer, Ok(Flow::Continue)) {
            stopped = Some(answer.map_err(ReadError::Receiver));
            return Flow::Stop;
        }
        Flow::Continue
    };
    let ended = loop {
        let ended = cutter.cut(&mut block, &mut shapes, &mut give);
        block.read_lines(&mut shapes);
        if give(&mut block) == Flow::Stop {
            break None;
        }
        if ended.is_some() {
            break ended;
        }
    };
    stopped.or(ended).unwrap_or(Ok(Flow::Stop))
}

/// What the readers have in turn.
struct Shared<'s> {
    cutter: Cutter<'s>,
    free: Receiver<EventBlock>,
    /// The number of the next block.
    number: u64,
}

/// A block that was read.
struct Ready {
    number: u64,
    block: EventBlock,
    /// How the source ended behind it, if it did.
    ended: Option<Result<Flow, ReadError>>,
}

/// Where a reader puts blocks; it also tells when the reader panics, as one that the others and
/// the receiver wait for would let them wait forever.
struct Done(Sender<Option<Ready>>);

impl Drop for Done {
    fn drop(&mut self) {
        if thread::panicking() {
            // Whether anybody still listens makes no difference.
            drop(self.0.send(None));
        }
    }
}

/// Reads until the source ends, or nobody wants more.
fn work(shared: &Mutex<Shared<'_>>, rules: &Rules, done: Done) {
    let mut shapes = ShapeReader::new(rules);
    loop {
        // Another reader's panic is told by the scope of the threads.
        let Ok(mut turn) = shared.lock() else { return };
        let Shared { cutter, free, number } = &mut *turn;
        if cutter.is_over() {
            return;
        }
        // Whoever has the turn waits for a block, and nobody else needs one.
        let Ok(mut block) = free.recv() else { return };
        let mut hand_over = |block: &mut EventBlock| {
            let Ok(empty) = free.recv() else { return Flow::Stop };
            let ready =
                Ready { number: *number, block: std::mem::replace(block, empty), ended: None };
            *number += 1;
            if done.0.send(Some(ready)).is_ok() { Flow::Continue } else { Flow::Stop }
        };
        let ended = cutter.cut(&mut block, &mut shapes, &mut hand_over);
        let number = *number;
        turn.number += 1;
        drop(turn);
        block.read_lines(&mut shapes);
        if done.0.send(Some(Ready { number, block, ended })).is_err() {
            return;
        }
    }
}

/// Takes the blocks in order.
fn take(
    ready: Receiver<Option<Ready>>,
    hand_back: Sender<EventBlock>,
    each: &mut dyn FnMut(&EventBlock) -> Result<Flow, Error>,
) -> Result<Flow, ReadError> {
    let mut early = BTreeMap::new();
    let mut number = 0;
    // Without an end a reader has panicked, and the scope of the threads does, too.
    while let Ok(Some(next)) = ready.recv() {
        early.insert(next.number, next);
        while let Some(Ready { mut block, ended, .. }) = early.remove(&number) {
            if !block.is_empty() && each(&block).map_err(ReadError::Receiver)? == Flow::Stop {
                return Ok(Flow::Stop);
            }
            if let Some(ended) = ended {
                return ended;
            }
            number += 1;
            block.clear();
            // The readers may have ended, if what comes now is the end.
            drop(hand_back.send(block));
        }
    }
    Ok(Flow::Stop)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// More stack than there are addresses is what no system gives.
    #[test]
    fn a_thread_that_the_system_does_not_give_is_one_less() {
        let text: String = (0..100_000).map(|n| format!("{n}\n")).collect();
        for given in 0..3 {
            let builder = |number| match number < given {
                true => Builder::new(),
                false => Builder::new().stack_size(1 << 60),
            };
            let mut lines = Vec::new();
            let mut each = |block: &EventBlock| {
                lines.extend((0..block.len()).map(|at| block.get(at).unwrap().line));
                Ok(Flow::Continue)
            };
            let rules = Rules { currency: *b"USD", time_range_us: 0..1 };
            read_with(&mut text.as_bytes(), &rules, 4, &builder, &mut each).unwrap();
            assert!(lines.iter().copied().eq(1..=100_000), "{given} threads");
        }
    }

    #[test]
    fn a_reader_that_panics_keeps_nobody_waiting() {
        let (sender, ready) = channel();
        let still_there = sender.clone();
        let done = Done(sender);
        let reader = thread::spawn(move || {
            let _done = done;
            panic!("as it was told to");
        });
        let (hand_back, _free) = channel();
        let flow = take(ready, hand_back, &mut |_| Ok(Flow::Continue));
        assert_eq!(flow.unwrap(), Flow::Stop);
        assert!(reader.join().is_err());
        drop(still_there);
    }
}
