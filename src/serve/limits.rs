//! How much one request, one connection and all of them together may take.

use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::problem::Problem;

/// Bounds; every one of them has a default that suits one machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at a time; further ones are closed at once.
    pub connections_max: usize,
    /// Bytes of one request's body, as it comes and as it is unpacked, unless it is answered as a
    /// stream.
    pub body_bytes_max: usize,
    /// Bytes of JSON in all requests that have not been answered yet, and some for each event: see
    /// `EVENT_BYTES`. What they take in memory is two to three times that.
    pub waiting_bytes_max: usize,
    /// Streams of events and of the leaderboard at a time.
    pub followers_max: usize,
    /// Bytes of a request's line and headers.
    pub header_bytes_max: usize,
    /// For the line and headers of a request to come.
    pub header_time: Duration,
    /// For the next `PACE_BYTES` (256 KiB) of a body to come, or its end; of a body of any length for the
    /// next piece of it.
    pub body_time: Duration,
    /// For a client to take the next piece of its answer.
    pub answer_time: Duration,
    /// For what was asked before the server was told to stop.
    pub stop_time: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connections_max: 4_096,
            body_bytes_max: 16 << 20,
            waiting_bytes_max: 128 << 20,
            followers_max: 1_536,
            header_bytes_max: 32 << 10,
            header_time: Duration::from_secs(10),
            body_time: Duration::from_secs(30),
            answer_time: Duration::from_secs(60),
            stop_time: Duration::from_secs(10),
        }
    }
}

/// Lets as many files be open as the system allows: each connection is one, and the usual limit is
/// far below what it could be.
pub(super) fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, ..limit };
    if limit.current != limit.maximum && setrlimit(Resource::Nofile, raised).is_err() {
        tracing::warn!("the limit of open files stays as it is");
    }
}

/// A body that is answered at once comes no slower than so many bytes in each `body_time`: one that
/// trickles would hold its room for hours.
pub(super) const PACE_BYTES: usize = 256 << 10;

/// What an event takes beside its text while it waits, and then in the receipt if it is rejected.
pub(super) const EVENT_BYTES: usize = 320;

/// The most that a packed body may have its unpacking look back on: as much as `zstd -19` does.
pub(super) const WINDOW_BYTES_MAX: u64 = 8 << 20;

/// Room is given out in pieces of so many bytes, and each request has one at least.
const PIECE_BYTES: usize = 1024;

/// The room for events that wait.
#[derive(Clone, Debug)]
pub(super) struct Room {
    left: Arc<Semaphore>,
}

/// What one request has of it, until it is answered.
#[derive(Debug)]
pub(super) struct Place {
    left: Arc<Semaphore>,
    bytes: usize,
    taken: Option<OwnedSemaphorePermit>,
}

impl Room {
    pub(super) fn new(bytes: usize) -> Room {
        Room { left: Arc::new(Semaphore::new(bytes.div_ceil(PIECE_BYTES))) }
    }

    /// A place for a request, as small as it can be.
    pub(super) fn place(&self) -> Result<Place, Problem> {
        let mut place = Place { left: Arc::clone(&self.left), bytes: 0, taken: None };
        place.grow(1)?;
        Ok(place)
    }
}

impl Place {
    /// Room for so many bytes more.
    pub(super) fn grow(&mut self, bytes: usize) -> Result<(), Problem> {
        let bytes = self.bytes.saturating_add(bytes);
        let more = bytes.div_ceil(PIECE_BYTES) - self.bytes.div_ceil(PIECE_BYTES);
        if more > 0 {
            let more = u32::try_from(more).unwrap_or(u32::MAX);
            let full = "too much waits to be appended: send it again, after a while";
            let taken = Arc::clone(&self.left).try_acquire_many_owned(more);
            let taken = taken.map_err(|_full| Problem::busy(full))?;
            match &mut self.taken {
                Some(held) => held.merge(taken),
                None => self.taken = Some(taken),
            }
        }
        self.bytes = bytes;
        Ok(())
    }

    /// Room for so many bytes in all, if it has less.
    pub(super) fn reach(&mut self, bytes: usize) -> Result<(), Problem> {
        self.grow(bytes.saturating_sub(self.bytes))
    }

    /// Gives back what is more than so many bytes.
    pub(super) fn shrink_to(&mut self, bytes: usize) {
        let bytes = bytes.min(self.bytes);
        let less = self.bytes.div_ceil(PIECE_BYTES) - bytes.div_ceil(PIECE_BYTES);
        self.bytes = bytes;
        drop(self.taken.as_mut().and_then(|taken| taken.split(less)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_given_out_until_there_is_none_and_comes_back() {
        let room = Room::new(10 * PIECE_BYTES);
        let mut first = room.place().expect("an empty room");
        first.grow(PIECE_BYTES - 1).expect("its first piece has that");
        assert_eq!(room.left.available_permits(), 9);
        first.grow(8 * PIECE_BYTES).expect("there are nine");
        let mut second = room.place().expect("there is one");
        let problem = second.grow(PIECE_BYTES).expect_err("there is none");
        assert_eq!((problem.status.as_u16(), problem.retry_after), (503, Some(1)));
        assert!(room.place().is_err());
        drop(first);
        assert_eq!(room.left.available_permits(), 9);
        second.grow(PIECE_BYTES).expect("it came back");
    }

    #[test]
    fn a_place_reaches_and_shrinks() {
        let room = Room::new(10 * PIECE_BYTES);
        let mut place = room.place().expect("an empty room");
        place.reach(6 * PIECE_BYTES).expect("there is room");
        assert_eq!(room.left.available_permits(), 4);
        place.reach(2 * PIECE_BYTES).expect("it has that");
        assert_eq!(room.left.available_permits(), 4);
        assert!(place.reach(11 * PIECE_BYTES).is_err());
        assert_eq!(place.bytes, 6 * PIECE_BYTES, "what it did not get is not counted");
        place.shrink_to(2 * PIECE_BYTES + 1);
        assert_eq!(room.left.available_permits(), 7);
        place.shrink_to(5 * PIECE_BYTES);
        assert_eq!(room.left.available_permits(), 7);
        place.shrink_to(0);
        assert_eq!(room.left.available_permits(), 10);
        place.grow(1).expect("there is room");
        assert_eq!(room.left.available_permits(), 9);
    }
}
