//! `generate`: customer events that never happened, the same bytes for the same seed for ever.
//!
//! A file of *N* lines holds the NEW records of *M* customers, evenly spread over the lines, and
//! between them visits, orders and images of customers that have joined by then. All randomness
//! comes from one PCG64 stream through integer arithmetic written here, so no release of another
//! crate can change the bytes; a test pins them. What it does not do: look like any real shop.
//!
//! Nothing it prints can be rejected or be a duplicate: keys are a permutation of a counter, and
//! updates carry times that no other update of the same thing has.

mod dice;
mod write;

use super::args::GenerateArgs;
use super::failure::{Ending, Failure};
use super::out::Out;
use dice::{Dice, Keys, Spread};
use write::{Line, word};

/// 2017-01-01T00:00:00Z in milliseconds since 1970: no event is earlier.
const START_MS: u64 = 1_483_228_800_000;
/// Three years of 365 days: every event is earlier than this much after the start.
const SPAN_MS: u64 = 3 * 365 * 86_400_000;
/// An event was seen up to an hour after it happened, so times are not in order.
const LATENESS_MS: u64 = 3_600_000;
/// Updates pick one of this many latest orders.
const RECENT_ORDERS: usize = 4096;
/// Beyond this, two lines would share a millisecond and updates could be duplicates.
const EVENTS_MAX: u64 = 1 << 36;
/// Bytes gathered before each write.
const CHUNK_BYTES: usize = 1 << 18;

/// Runs the command.
pub(crate) fn run(args: &GenerateArgs, out: &mut Out) -> Result<Ending, Failure> {
    let mut generator = Generator::new(args).map_err(Failure::Usage)?;
    let mut chunk = Vec::with_capacity(CHUNK_BYTES + 1024);
    while generator.line(&mut chunk) {
        if chunk.len() >= CHUNK_BYTES {
            out.bytes(&chunk)?;
            chunk.clear();
        }
    }
    out.bytes(&chunk)?;
    Ok(Ending::Done)
}

/// An order that an update may change.
#[derive(Clone, Copy)]
struct Order {
    key: u64,
    customer: u64,
    /// Its `event_time`, ms since 1970.
    at_ms: u64,
    /// The clock when its line was written; unlike `at_ms`, strictly before every later line's.
    written_ms: u64,
}

/// Writes one line after another.
struct Generator {
    dice: Dice,
    keys: Keys,
    /// The lines' clock, which visits [START_MS, START_MS + SPAN_MS) in even steps.
    clock: Spread,
    /// When customers join.
    joins: Spread,
    lines_left: u64,
    customers: u64,
    joined: u64,
    /// The next number that has no key yet; customers have the lowest.
    next_number: u64,
    updates_percent: u64,
    /// Multiplier and increment of the walk that scatters activity over the customers.
    stride: u64,
    shift: u64,
    orders: Vec<Order>,
    orders_written: usize,
    line: Line,
}

impl Generator {
    fn new(args: &GenerateArgs) -> Result<Generator, String> {
        let (events, customers) = (args.events, args.customers);
        if events > EVENTS_MAX {
            return Err(format!("--events is at most {EVENTS_MAX}"));
        }
        if customers > events {
            return Err(format!(
                "--customers {customers} is more than --events {events}: each customer takes one event"
            ));
        }
        if customers == 0 && events > 0 {
            return Err("--customers must be at least 1: every event needs a customer".to_owned());
        }
        if customers > u64::from(u32::MAX - 1) {
            return Err(format!("--customers is at most {}", u32::MAX - 1));
        }
        let mut dice = Dice::new(args.seed);
        let keys = Keys::new(&mut dice);
        let shift = dice.below(customers.max(1));
        Ok(Generator {
            keys,
            clock: Spread::new(SPAN_MS, events),
            // Begun one step before its first mark, so that the first line is a customer.
            joins: Spread::new(customers, events).ahead(),
            lines_left: events,
            customers,
            joined: 0,
            next_number: customers,
            updates_percent: u64::from(args.updates),
            stride: coprime_near(customers / 8 * 5 + 1, customers),
            shift,
            orders: Vec::new(),
            orders_written: 0,
            line: Line::default(),
            dice,
        })
    }

    /// Adds the next line to `out`; false when there is none.
    fn line(&mut self, out: &mut Vec<u8>) -> bool {
        if self.lines_left == 0 {
            return false;
        }
        self.lines_left -= 1;
        let now_ms = START_MS + self.clock.position();
        self.clock.step();
        if self.joins.step() > 0 {
            self.customer_new(now_ms, out);
        } else if self.updates_percent > self.dice.below(100) {
            self.update(now_ms, out);
        } else {
            match self.dice.below(10) {
                0..7 => self.visit(now_ms, out),
                7..9 => self.order(now_ms, out),
                _ => self.image(now_ms, out),
            }
        }
        true
    }

    fn customer_new(&mut self, now_ms: u64, out: &mut Vec<u8>) {
        let at_ms = self.happened(now_ms);
        let id = self.keys.key(self.joined);
        self.joined += 1;
        self.line.begin("CUSTOMER", "NEW", id, at_ms, out);
        self.line.text("last_name", word(write::NAMES, &mut self.dice), out);
        self.address(out);
        self.line.end(out);
    }

    fn visit(&mut self, now_ms: u64, out: &mut Vec<u8>) {
        let (key, customer, at_ms) = (self.new_key(), self.someone(), self.happened(now_ms));
        self.line.begin("SITE_VISIT", "NEW", key, at_ms, out);
        self.line.customer(customer, out);
        let (name, value) =
            (word(write::TAG_KEYS, &mut self.dice), word(write::TAG_VALUES, &mut self.dice));
        self.line.tag(name, value, out);
        self.line.end(out);
    }

    fn image(&mut self, now_ms: u64, out: &mut Vec<u8>) {
        let (key, customer, at_ms) = (self.new_key(), self.someone(), self.happened(now_ms));
        self.line.begin("IMAGE", "UPLOAD", key, at_ms, out);
        self.line.customer(customer, out);
        let camera = word(write::CAMERAS, &mut self.dice);
        let (make, model) = camera.split_once('|').unwrap_or((camera, camera));
        self.line.text("camera_make", make, out);
        self.line.text("camera_model", model, out);
        self.line.end(out);
    }

    fn order(&mut self, now_ms: u64, out: &mut Vec<u8>) {
        let (key, customer, at_ms) = (self.new_key(), self.someone(), self.happened(now_ms));
        self.order_line("NEW", key, customer, at_ms, out);
        if self.updates_percent == 0 {
            return;
        }
        let order = Order { key, customer, at_ms, written_ms: now_ms };
        match self.orders.get_mut(self.orders_written % RECENT_ORDERS) {
            Some(place) => *place = order,
            None => self.orders.push(order),
        }
        self.orders_written += 1;
    }

    /// Two updates of three are of an order, if there is one.
    fn update(&mut self, now_ms: u64, out: &mut Vec<u8>) {
        let recent = self.dice.below(u64::try_from(self.orders.len()).unwrap_or(u64::MAX).max(1));
        let order = usize::try_from(recent).ok().and_then(|place| self.orders.get(place)).copied();
        match order {
            Some(order) if self.dice.below(3) > 0 => self.order_update(&order, now_ms, out),
            _ => self.customer_update(now_ms, out),
        }
    }

    /// Mostly later than its order, sometimes before it and therefore stale; an eighth of them
    /// moves the order to another customer.
    fn order_update(&mut self, order: &Order, now_ms: u64, out: &mut Vec<u8>) {
        // The distance is the same for no two lines, so neither is the time.
        let distance_ms = now_ms - order.written_ms;
        let stale = self.dice.below(8) == 0;
        let at_ms = match order.at_ms.checked_sub(distance_ms) {
            Some(before_ms) if stale && before_ms >= START_MS => before_ms,
            _ => order.at_ms + distance_ms,
        };
        let customer = if self.dice.below(8) == 0 { self.someone() } else { order.customer };
        self.order_line("UPDATE", order.key, customer, at_ms, out);
    }

    /// At the lines' own clock, which never stands still: no two are the same event.
    fn customer_update(&mut self, now_ms: u64, out: &mut Vec<u8>) {
        let customer = self.someone();
        self.line.begin("CUSTOMER", "UPDATE", customer, now_ms, out);
        if self.dice.below(8) > 0 {
            self.line.text("last_name", word(write::NAMES, &mut self.dice), out);
        }
        self.address(out);
        self.line.end(out);
    }

    fn order_line(
        &mut self,
        verb: &'static str,
        key: u64,
        customer: u64,
        at_ms: u64,
        out: &mut Vec<u8>,
    ) {
        // 5.00 to 304.99, small amounts more often than large ones.
        let most = 1 + self.dice.below(30_000);
        let cents = 500 + self.dice.below(most);
        self.line.begin("ORDER", verb, key, at_ms, out);
        self.line.customer(customer, out);
        self.line.amount(cents, out);
        self.line.end(out);
    }

    fn address(&mut self, out: &mut Vec<u8>) {
        self.line.text("adr_city", word(write::CITIES, &mut self.dice), out);
        self.line.text("adr_state", word(write::STATES, &mut self.dice), out);
    }

    fn new_key(&mut self) -> u64 {
        let key = self.keys.key(self.next_number);
        self.next_number += 1;
        key
    }

    /// A customer that has joined, by a law under which few are very active and many hardly.
    fn someone(&mut self) -> u64 {
        let mut rank = self.dice.below(self.customers);
        rank = self.dice.below(rank + 1);
        rank = self.dice.below(rank + 1);
        // Ranks are scattered, so that activity follows neither the id nor the day of joining.
        // Both factors are below 2^32.
        let scattered = (rank * self.stride + self.shift) % self.customers;
        let number = if scattered < self.joined { scattered } else { scattered % self.joined };
        self.keys.key(number)
    }

    /// When that which a line tells happened.
    fn happened(&mut self, now_ms: u64) -> u64 {
        (now_ms - self.dice.below(LATENESS_MS)).max(START_MS)
    }
}

/// The least number from `wanted` on that has no divisor in common with `modulus`.
fn coprime_near(wanted: u64, modulus: u64) -> u64 {
    let mut number = wanted;
    loop {
        let (mut a, mut b) = (number, modulus);
        while b > 0 {
            (a, b) = (b, a % b);
        }
        if a <= 1 {
            return number;
        }
        number += 1;
    }
}

#[cfg(test)]
mod tests;
