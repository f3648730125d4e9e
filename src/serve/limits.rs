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
    /// Bytes of JSON in all requests that have not been answered yet. What they take in memory is
    /// some five times that for events of a usual size, and more for many tiny ones.
    pub waiting_bytes_max: usize,
    /// Bytes of a request's line and headers.
    pub header_bytes_max: usize,
    /// For the line and headers of a request to come.
    pub header_time: Duration,
    /// For the next piece of a body to come.
    pub body_time: Duration,
    /// For what was asked before the server was told to stop.
    pub stop_time: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connections_max: 4_096,
            body_bytes_max: 16 << 20,
            waiting_bytes_max: 64 << 20,
            header_bytes_max: 32 << 10,
            header_time: Duration::from_secs(10),
            body_time: Duration::from_secs(30),
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

/// Room is given out in pieces of so many bytes, and each request has one at least.
const PIECE_BYTES: usize = 1024;

/// The room for JSON that waits.
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
        let now = self.bytes.div_ceil(PIECE_BYTES);
        self.bytes = self.bytes.saturating_add(bytes);
        let more = self.bytes.div_ceil(PIECE_BYTES) - now;
        let more = u32::try_from(more).unwrap_or(u32::MAX);
        let full = "too much waits to be appended: send it again, after a while";
        let taken = Arc::clone(&self.left).try_acquire_many_owned(more);
        let taken = taken.map_err(|_full| Problem::busy(full))?;
        match &mut self.taken {
            Some(held) => held.merge(taken),
            None => self.taken = Some(taken),
        }
        Ok(())
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
}
