#!/usr/bin/env python3
"""A second reader of ltvlog's format 1, written from docs/format.md alone.

    python3 tests/decoder.py DIR...            prints the events, one line of JSON each
    python3 tests/decoder.py --check DIR...    prints one line of JSON with counts for each DIR
    python3 tests/decoder.py --both DIR...     prints that line, then the events, for each DIR

It shares no line with the Rust code, so that a mistake made once on both sides of the encoder is
seen by somebody who does not make it. It needs Python 3.9 and no library, holds a whole log in
memory, and writes nothing. Beside it are `decoder_body.py`, what is inside a batch, and
`decoder_keys.py`, the hashes of key sidecars.

`read_log` takes the files of a log as bytes and goes through them in the order of the format's
description: head and other evidence, segments, frames, columns, events. Every checksum, length and
order that the description promises is checked, and what an effective order update says that it
supersedes is worked out again from the events before it. The first thing that is wrong in a segment
raises `Damage`; what is wrong in a derived file is only collected, since no answer depends on it.
A torn tail is no damage. Not checked: compression (any LZ4 block that unpacks will do), and whether
two CUSTOMER or ORDER UPDATEs are the same event.

Exit code: 0 if all is well, 1 if not; standard error then names file, offset and reason.
"""

import hashlib
import json
import re
import struct
import sys
import zlib
from collections import Counter, namedtuple
from pathlib import Path

from decoder_body import (
    CUSTOMER_NEW,
    CUSTOMER_UPDATE,
    IMAGE,
    MIB_16,
    NAMES,
    NOBODY,
    ORDER_EFFECTIVE,
    ORDER_NEW,
    ORDER_STALE,
    ORDERS,
    TEXTS,
    VISIT,
    Wrong,
    columns,
    events_of,
    is_zero,
    line,
    need,
)
from decoder_keys import key_hash, update_hash

EVENTS_MAX = 1 << 20  # in a batch; batches in a segment
SECTOR = 512
KEY_TYPES = {"CUSTOMER": 1, "SITE_VISIT": 2, "IMAGE": 3, "ORDER": 4}


class Damage(Exception):
    """Bytes that are not as the format says, and where."""

    def __init__(self, file, offset, reason):
        super().__init__(f"{file} at byte {offset}: {reason}")
        self.file, self.offset, self.reason = file, offset, reason


# --- What the events come to ---


class Customer:
    """Statistics of one customer."""

    def __init__(self, id):
        self.id, self.revenue, self.visits, self.orders = id, 0, 0, 0
        self.first = self.last = None


class Log:
    """All that follows from the events up to `end`."""

    def __init__(self):
        self.terms = None  # what all segments share
        self.end, self.chain, self.events_chain = 0, 0, 0
        self.forms = Counter()  # how many columns were met in each form
        self.segments = self.batches = self.bytes = self.torn_bytes = 0
        self.sidecars = self.runs = self.checkpoints = 0
        self.batches_of_marks = self.batches_of_choices = 0
        self.salts = set()
        self.customers, self.orders, self.taken, self.lines = [], {}, set(), []
        self.cents, self.appended_at = 0, -(1 << 63)
        self.first, self.last = 0, -1
        self.updates, self.marks, self.problems = {}, {}, []

    def apply(self, event):
        """Checks an event against those before it and folds it into the statistics."""
        kind, at_us = event.kind, event.at_us
        need(self.terms.first_us <= at_us < self.terms.end_us, "an event is out of the time range")
        if kind == CUSTOMER_NEW:
            need(event.customer == len(self.customers), "a customer has another ordinal")
            self.customers.append(Customer(event.key))
        known = event.customer < len(self.customers)
        need(known or event.customer == NOBODY, "a customer comes only later")
        if kind in (CUSTOMER_NEW, VISIT, IMAGE, ORDER_NEW):
            name = (NAMES[kind][0], event.key)
            need(event.key == "" or name not in self.taken, "a key is there twice")
            self.taken.add(name)
        if kind == CUSTOMER_UPDATE:
            for field, (bit, _, _) in enumerate(TEXTS[:3]):
                latest = self.updates.get((event.customer, field), (at_us, 0))
                if bit in event.texts and at_us >= latest[0]:
                    self.updates[event.customer, field] = (at_us, event.sequence)
        if kind in ORDERS:
            self.apply_order(event)
        customer = self.customers[event.customer] if known else Customer(None)
        customer.visits += kind == VISIT
        customer.first = at_us if customer.first is None else min(customer.first, at_us)
        customer.last = at_us if customer.last is None else max(customer.last, at_us)
        self.first = at_us if event.sequence == 0 else min(self.first, at_us)
        self.last = at_us if event.sequence == 0 else max(self.last, at_us)
        self.end += 1

    def apply_order(self, event):
        """An order counts with the customer and amount of its latest event; of two of one time the
        later in the log. What such an event supersedes is what counted until then."""
        self.cents += abs(event.cents)
        need(self.cents < 1 << 62, "amounts sum up to 2^62")
        if event.kind == ORDER_NEW:
            order = event.sequence
            self.orders[order] = (None, 0, event.at_us, event.key)
        else:
            order = event.order_seq
            need(order in self.orders, "an update's order is not in the log")
        *state, key = self.orders[order]
        need(event.key in (key, ""), "an update's order has another key")
        need(
            (event.at_us >= state[2]) == (event.kind != ORDER_STALE),
            "an update is stale and marked as effective, or the other way round",
        )
        if event.kind == ORDER_STALE:
            return
        if event.kind == ORDER_EFFECTIVE:
            need(tuple(state) == event.superseded, f"what is superseded was {state}")
        self.count(state[0], -1, -state[1])
        self.count(event.customer, 1, event.cents)
        self.orders[order] = (event.customer, event.cents, event.at_us, key)

    def count(self, customer, orders, cents):
        if customer is not None and customer != NOBODY:
            self.customers[customer].orders += orders
            self.customers[customer].revenue += cents

    def digest(self):
        """For each customer the first half of a SHA-256 as two numbers, each summed over all."""
        sums = [0, 0]
        for one in self.customers:
            name = one.id.encode()
            numbers = (one.visits, one.orders, one.revenue, one.first, one.last)
            digest = hashlib.sha256(
                struct.pack("<B", len(name)) + name + struct.pack("<5q", *numbers)
            )
            for half, value in enumerate(struct.unpack("<2Q", digest.digest()[:16])):
                sums[half] = (sums[half] + value) % (1 << 64)
        return struct.pack("<2Q", *sums).hex()


# --- Segments ---

SEGMENT_HEADER = struct.Struct("<8s4I3QI3sB2H2q48sI")
SegmentHeader = namedtuple(
    "SegmentHeader",
    "magic format incompatible compatible generation log_id first salt chain_in currency digits"
    " partition partitions first_us end_us zeros checksum",
)
Terms = namedtuple("Terms", "log_id currency digits partition partitions first_us end_us")
FRAME_HEADER = struct.Struct("<I2BH6I")
FrameHeader = namedtuple(
    "FrameHeader", "checksum kind version zero_sectors length events sequence durable chain body"
)
SEAL = struct.Struct("<Q2IQqI")
Seal = namedtuple("Seal", "end customers chain_out cents appended_at columns_length")


class Torn(Exception):
    """A frame that a power cut may have left like this, if nothing says that it was synced."""


def segment_header(data, first):
    need(len(data) >= 128, "a segment is shorter than its header")
    need(zlib.crc32(data[:124]) == int.from_bytes(data[124:128], "little"), "a bad header checksum")
    header = SegmentHeader(*SEGMENT_HEADER.unpack(data[:128]))
    need(header.magic == b"\x89LTVLOG\n", "another magic")
    need(header.format == 1 and header.incompatible == 0, "a newer version wrote this")
    need(header.first == first, "the file's name is not its first sequence")
    need(header.salt != 0, "the salt is 0")
    need(re.fullmatch(b"[A-Z]{3}", header.currency) and header.digits == 2, "an unknown currency")
    need(header.partition < header.partitions, "a partition beyond the last")
    need(header.first_us < header.end_us, "an empty time range")
    need(is_zero(header.zeros), "reserved bytes of the header are not zero")
    return header


def frame_header(data, at, salt):
    """The header at `at`, if its checksum holds."""
    piece = data[at : at + 32]
    if len(piece) < 32:
        return None
    header = FrameHeader(*FRAME_HEADER.unpack(piece))
    sum_of = struct.pack("<2Q", salt, at) + piece[4:]
    return header if zlib.crc32(sum_of) == header.checksum else None


def zero_sectors(body, at):
    """How many pieces of the body are all zero, if it is cut where the file has sectors."""
    edges = [0, *range(SECTOR - at % SECTOR, len(body), SECTOR), len(body)]
    return sum(is_zero(body[start:end]) for start, end in zip(edges, edges[1:]))


def frame_at(data, at, salt, chain, sequence):
    """Header and body of the frame that must stand here."""
    header = frame_header(data, at, salt)
    if header is None:
        if len(data) < at + 32 or is_zero(data[at : at + 32]):
            raise Torn("a frame's header is missing")
        raise Wrong("a frame's header does not match its checksum")
    need(header.kind != 0, "a frame of kind 0")
    need(header.kind in (1, 2) or header.kind >= 128, f"frame kind {header.kind} is newer")
    need(header.version == 1, f"frame version {header.version} is newer")
    need(1 <= header.length <= MIB_16, "a body's length is out of bounds")
    need(header.events <= (EVENTS_MAX if header.kind == 1 else 0), "too many events in a frame")
    need(header.durable <= at, "a durable offset lies ahead of its frame")
    need(header.chain == chain, "a frame does not continue the one before")
    need(header.sequence == sequence, "a frame has another sequence")
    end = at + 32 + header.length
    if (end + 31) // 32 * 32 > len(data):
        raise Torn("a frame is cut")
    need(is_zero(data[end : (end + 31) // 32 * 32]), "padding is not zero")
    body = data[at + 32 : end]
    zeros = zero_sectors(body, at + 32)
    if zlib.crc32(body) != header.body:
        if zeros > header.zero_sectors:
            raise Torn("a sector of a body is missing")
        raise Wrong("a body does not match its checksum")
    need(zeros == header.zero_sectors, "a header counts other zero sectors")
    return header, body


def check_seal(body, at, segment, log):
    """A seal repeats what the batches before it came to, and where they are."""
    need(len(body) % 32 == 0 and len(body) >= 64, "a seal has another length")
    seal = Seal(*SEAL.unpack(body[:36]))
    columns_end = 36 + seal.columns_length
    need(columns_end <= len(body) - 4, "a seal's columns are too long")
    need(
        len(body) - 4 - columns_end < 32 and is_zero(body[columns_end:-4]),
        "a seal is not filled up",
    )
    need(int.from_bytes(body[-4:], "little") == at, "a seal's last bytes are not its offset")
    need(log.end > segment.header.first, "a sealed segment has no event")
    need(seal.end == log.end, "a seal has another end")
    need(seal.customers == len(log.customers), "a seal has another number of customers")
    need(seal.cents == log.cents, "a seal has another sum of amounts")
    need(seal.appended_at == log.appended_at, "a seal has another time of appending")
    if segment.header.generation == 0:
        need(seal.chain_out == log.chain, "a seal has another chain out")
    directory = columns(body[36:columns_end])
    need(sorted(directory) == [1, 2, 3], "a frame directory has other columns")
    for number, values in enumerate(zip(*segment.directory), 1):
        need(directory[number].form <= 4, "a frame directory is wider than 4 bytes")
        need(directory[number].integers(len(values)) == list(values), f"directory column {number}")
    return seal


class Segment:
    """One segment, read from its header to its end."""

    def __init__(self, name, data, first, log):
        self.name, self.data, self.seal = name, data, None
        self.header = segment_header(data, first)
        self.at, self.directory = 128, []
        self.indexed = []  # the events whose keys its key sidecar must hold
        self.batches = []  # of those with events: first sequence, events, checksum of the header
        self.places = {128: (first, self.header.chain_in)}  # of head: sequence and chain there
        terms = Terms(*(getattr(self.header, name) for name in Terms._fields))
        need(log.terms in (None, terms), "segments are of different logs")
        need(self.header.chain_in == log.chain, "a segment does not continue the one before")
        log.terms = terms
        log.salts.add(self.header.salt)

    def read_frame(self, log, checkpoints):
        """Reads the frame at `at` and goes behind it."""
        first = self.header.first
        header, body = frame_at(self.data, self.at, self.header.salt, log.chain, log.end - first)
        if header.kind == 1:
            self.directory.append((header.sequence, self.at, len(log.customers)))
            need(len(self.directory) <= EVENTS_MAX, "too many batches in a segment")
            events, marks = events_of(body, header.events, log.end, log)
            for event in events:
                log.apply(event)
                if event.kind in NAMES:
                    log.lines.append(line(event, log.customers, log.terms.currency.decode()))
                    self.indexed.append(event)
            log.marks.update(marks)
            log.batches += 1
            log.batches_of_marks += not events
        elif header.kind == 2:
            self.seal = check_seal(body, self.at, self, log)
        log.chain = self.seal.chain_out if self.seal else header.checksum
        if header.events:
            log.events_chain = header.checksum
            self.batches.append((first + header.sequence, header.events, header.checksum))
        self.at = (self.at + 32 + header.length + 31) // 32 * 32
        self.places[self.at] = (log.end, log.chain)
        if header.kind == 1:
            for checkpoint in checkpoints:
                checkpoint.meet(log)

    def index_entries(self, first, end):
        """The entries of the keys of a part of it: hash and row. Of an order there is one, that
        of its newest state in this part."""
        seed, keys, updates = self.header.log_id, {}, []
        for event in self.indexed:
            if not first <= event.sequence < end:
                continue
            if event.kind != ORDER_STALE and event.kind != CUSTOMER_UPDATE:
                keys[KEY_TYPES[NAMES[event.kind][0]], event.key] = event.sequence
            if event.kind in (CUSTOMER_UPDATE, ORDER_EFFECTIVE, ORDER_STALE):
                updates.append(event)
        return [
            *((key_hash(seed, *key), sequence - first) for key, sequence in keys.items()),
            *(
                (update_hash(seed, NAMES[one.kind], one), one.sequence - first)
                for one in updates
            ),
        ]

    def durable_behind(self, log, evidence):
        """Who says that more than what was read had been on the disk; None if nobody does."""
        for at in range(self.at + 32, len(self.data), 32):
            header = frame_header(self.data, at, self.header.salt)
            if header and header.durable > self.at:
                return f"the frame at byte {at}"
        head = evidence.head
        if head and (head.segment, head.offset) > (self.header.first, self.at):
            return "head"
        for file, end in evidence.ends:
            if end > log.end:
                return file
        return None


def read_segment(name, data, first, is_last, log, evidence):
    """Reads one segment as far as it is whole; whatever is then left must be a torn tail."""
    content = len(data.rstrip(b"\0"))
    if is_last and (len(data) < 128 or content == 0):
        claims = [file for file, end in evidence.ends if end > first]
        if evidence.head and evidence.head.segment == first:
            claims.append("head")
        if claims:
            raise Damage(name, 0, f"a segment was never written, but {claims[0]} says it was")
        return None  # its creation was cut: no frame of it was ever written
    try:
        segment = Segment(name, data, first, log)
    except Wrong as wrong:
        raise Damage(name, 0, str(wrong)) from None
    torn = None
    while segment.at < content and not segment.seal:
        try:
            segment.read_frame(log, evidence.checkpoints)
        except Torn as reason:
            torn = str(reason)
            break
        except Wrong as wrong:
            raise Damage(name, segment.at, str(wrong)) from None
    log.segments += 1
    log.bytes += segment.at
    if segment.seal:
        if segment.at < content or (segment.at < len(data) and not is_last):
            raise Damage(name, segment.at, "bytes after a seal")
        return segment
    if not is_last:
        raise Damage(name, segment.at, torn or "a segment without a seal is not the last")
    witness = segment.durable_behind(log, evidence)
    if witness:
        raise Damage(
            name, segment.at, f"{torn or 'the log ends'}, but {witness} says it was synced"
        )
    log.torn_bytes += max(0, content - segment.at)
    return segment


# --- Derived files ---

SLOT = struct.Struct("<4Q2I20sI")
Slot = namedtuple("Slot", "log_id segment sequence counter offset chain zeros checksum")
SIDECAR = struct.Struct("<8s3Q2IQI8sI")
Sidecar = namedtuple(
    "Sidecar", "magic log_id first end chain_out bits entries blocks zeros checksum"
)
CHECKPOINT = struct.Struct("<8s2I2Q2IQ2qQ")
CheckpointHeader = namedtuple(
    "CheckpointHeader", "magic version customers log_id end chain zero events first last cents"
)


def read_head(data, problems):
    """The whole slots; the last one counts."""
    if len(data) != 1024:
        problems.append(Damage("head", 0, "head has another length"))
    if not is_zero(data[64:512]) or not is_zero(data[576:]):
        problems.append(Damage("head", 64, "bytes outside of the slots are not zero"))
    slots = []
    for at in (0, 512):
        piece = data[at : at + 64]
        if len(piece) < 64 or is_zero(piece):
            continue
        slot = Slot(*SLOT.unpack(piece))
        right_place = slot.counter % 2 == at // 512
        if zlib.crc32(piece[:60]) == slot.checksum and is_zero(slot.zeros) and right_place:
            slots.append(slot)
        else:
            problems.append(Damage("head", at, "a slot is not whole"))
    return sorted(slots, key=lambda slot: slot.counter)


def check_head(slots, segments, log):
    """Head names a frame's place in the last segment; of a sealed one only the sequence counts."""
    head = slots[-1]
    need(all(slot.log_id == log.terms.log_id for slot in slots), "a slot is of another log")
    need(head.sequence <= log.end, "the log is shorter than head")
    found = [segment for segment in segments if segment.header.first == head.segment]
    need(found, "head names a segment that is not there")
    if not found[0].seal:
        place = found[0].places.get(head.offset)
        need(place == (head.sequence, head.chain), "head does not name a frame's place")


KEYS, RUN = b"ltvkeys\x02", b"ltvkrun\x02"


def read_sidecar(data, magic):
    """The header and the entries as (hash's upper bits, hash's lower bits, row); of a run, whole."""
    need(len(data) >= 64, "a sidecar is cut")
    need(zlib.crc32(data[:60]) == int.from_bytes(data[60:64], "little"), "a bad header checksum")
    header = Sidecar(*SIDECAR.unpack(data[:64]))
    need(header.magic == magic, "another magic")
    need(is_zero(header.zeros), "reserved bytes are not zero")
    buckets = 1 << header.bits
    need(header.bits == 0 or buckets // 2 * 8 < header.entries, "too many buckets")
    need(buckets * 8 >= header.entries, "too few buckets")
    middle = (32 - header.bits if magic == RUN else 0) + 7 >> 3
    entry = 8 + middle
    length = 4 * (buckets + 1) + entry * header.entries
    start = 64 + 4 * ((length + 4095) // 4096)
    need(len(data) == start + length, "a sidecar has another length")
    need(zlib.crc32(data[64:start]) == header.blocks, "the block checksums are wrong")
    for number, at in enumerate(range(start, len(data), 4096)):
        checksum = int.from_bytes(data[64 + 4 * number :][:4], "little")
        need(zlib.crc32(data[at : at + 4096]) == checksum, f"block {number} is wrong")
    starts = struct.unpack(f"<{buckets + 1}I", data[start:][: 4 * (buckets + 1)])
    need(starts[0] == 0 and starts[-1] == header.entries, "buckets do not hold all entries")
    need(list(starts) == sorted(starts), "buckets overlap")
    rows = list(struct.iter_unpack(f"<II{middle}s", data[start + 4 * (buckets + 1) :]))
    words = [(low, row, int.from_bytes(more, "little")) for low, row, more in rows]
    entries = [
        (bucket, *of_one)
        for bucket in range(buckets)
        for of_one in words[starts[bucket] : starts[bucket + 1]]
    ]
    order = [(bucket, more, low, -row) for bucket, low, row, more in entries]
    need(order == sorted(order), "entries are not sorted")
    if magic == KEYS:
        return header, [(bucket, low, row) for bucket, low, row, _ in entries]
    between = 32 - header.bits
    need(all(more >> between == 0 for *_, more in entries), "a hash has bits of its bucket again")
    return header, [(bucket << between | more, low, row) for bucket, low, row, more in entries]


def upper_bits(upper_half, header):
    return upper_half >> (32 - header.bits)


def check_sidecar(header, entries, segment, log):
    need(segment and segment.seal, "its segment is not there, or not sealed")
    need(header.log_id == log.terms.log_id, "it is of another log")
    ends = (segment.header.first, segment.seal.end, segment.seal.chain_out)
    need((header.first, header.end, header.chain_out) == ends, "it does not fit its segment")
    wanted = [
        (upper_bits(value >> 32, header), value & 0xFFFF_FFFF, row)
        for value, row in segment.index_entries(header.first, header.end)
    ]
    need(sorted(entries) == sorted(wanted), "its entries are not those of its segment's events")


def check_run(header, entries, segments, log):
    """A run is of a part of a segment; one that is left over of a sealed one is of no use."""
    need(header.log_id == log.terms.log_id, "it is of another log")
    last = segments[-1]
    if last.seal or header.end <= last.header.first:
        return
    batches = [batch for batch in last.batches if header.first <= batch[0] < header.end]
    need(batches and batches[0][0] == header.first, "no batch begins where it does")
    first, events, chain = batches[-1]
    need((first + events, chain) == (header.end, header.chain_out), "no batch ends where it does")
    wanted = [
        (value >> 32, value & 0xFFFF_FFFF, row)
        for value, row in last.index_entries(header.first, header.end)
    ]
    need(sorted(entries) == sorted(wanted), "its entries are not those of its events")


class Checkpoint:
    """A checkpoint, compared with the fold when the fold comes to where it was taken."""

    def __init__(self, file, data):
        self.file, self.found = file, set()
        need(len(data) >= 256, "a checkpoint is cut")
        need(
            zlib.crc32(data[:252]) == int.from_bytes(data[252:256], "little"),
            "a bad header checksum",
        )
        self.header = CheckpointHeader(*CHECKPOINT.unpack(data[:72]))
        need(self.header.magic == b"\x89LTVchk\n", "another magic")
        need(self.header.version == 3, "another version")
        need(self.header.zero == 0 and is_zero(data[204:252]), "reserved bytes are not zero")
        self.sections, places = [], list(struct.iter_unpack("<2Q", data[72:200]))
        start = at = places[0][0]
        need(start <= len(data), "the first section is behind the end")
        blocks = range(start, len(data), 4096)
        checksums = data[256 : 256 + 4 * len(blocks)]
        need(start == (256 + len(checksums) + 63) // 64 * 64, "the first section is elsewhere")
        need(is_zero(data[256 + len(checksums) : start]), "a gap is not zero")
        need(
            zlib.crc32(checksums) == int.from_bytes(data[200:204], "little"),
            "the block checksums are wrong",
        )
        for number, block in enumerate(blocks):
            checksum = int.from_bytes(checksums[4 * number :][:4], "little")
            need(zlib.crc32(data[block : block + 4096]) == checksum, f"block {number} is wrong")
        for offset, length in places:
            place = start + (at - start + 63) // 64 * 64
            need(offset == place, "a section is elsewhere")
            need(offset + length <= len(data), "a section is cut")
            need(is_zero(data[at:place]), "a gap is not zero")
            at = offset + length
            self.sections.append(data[place:at])
        need(at == len(data), "bytes after the last section")

    def meet(self, log):
        """Compares, if the log is at the checkpoint's place now; marks may have come later."""
        header, customers = self.header, log.customers
        if (header.end, header.chain) != (log.end, log.events_chain):
            return

        def pack(form, values):
            return b"".join(struct.pack("<" + form, value) for value in values)

        wanted = [
            pack("q", (one.revenue for one in customers)),
            pack("I", (one.visits for one in customers)),
            pack("I", (one.orders for one in customers)),
            pack("q", (one.first for one in customers)),
            pack("q", (one.last for one in customers)),
            b"".join(
                struct.pack("<2IqQ", *at, *latest) for at, latest in sorted(log.updates.items())
            ),
            b"".join(
                bytes([len(source)]) + source + bytes([len(position)]) + position
                for source, position in sorted(log.marks.items())
            ),
            pack(
                "q",
                (
                    max(one.revenue for one in customers[at : at + 512])
                    for at in range(0, len(customers), 512)
                ),
            ),
        ]
        differs = [f"section {at}" for at in range(8) if self.sections[at] != wanted[at]]
        figures = (header.customers, header.events, header.first, header.last, header.cents)
        if figures != (len(customers), log.end, log.first, log.last, log.cents):
            differs.append("its header")
        self.found.add(", ".join(differs))

    def check(self, log):
        need(self.header.log_id == log.terms.log_id, "it is of another log")
        need(self.found, "no batch ends where it was taken")
        need("" in self.found, f"it differs from the events: {', '.join(self.found)}")


WRONG_NAME = "its name says another sequence than it does"


class Evidence:
    """What derived files say of how long the log was when they were written."""

    def __init__(self, files, problems):
        self.slots = read_head(files["head"], problems) if "head" in files else []
        self.head = self.slots[-1] if self.slots else None
        self.sidecars, self.runs, self.checkpoints, self.ends = [], [], [], []
        for file in sorted(files):
            try:
                if file.endswith(".run"):
                    header, entries = read_sidecar(files[file], RUN)
                    name = f"keys/{header.first:020}-{header.end:020}.run"
                    need(file == name, WRONG_NAME)
                    self.runs.append((file, header, entries))
                    self.ends.append((file, header.end))
                elif file.startswith("keys/"):
                    header, entries = read_sidecar(files[file], KEYS)
                    need(file == f"keys/{header.first:020}.keys", WRONG_NAME)
                    self.sidecars.append((file, header, entries))
                    self.ends.append((file, header.end))
                elif file.startswith("checkpoints/"):
                    checkpoint = Checkpoint(file, files[file])
                    need(file == f"checkpoints/{checkpoint.header.end:020}.ckpt", WRONG_NAME)
                    self.checkpoints.append(checkpoint)
                    self.ends.append((file, checkpoint.header.end))
            except Wrong as wrong:
                problems.append(Damage(file, 0, str(wrong)))

    def check(self, segments, log):
        by_first = {segment.header.first: segment for segment in segments}
        checks = [(check_sidecar, by_first.get(one[1].first), one) for one in self.sidecars]
        checks += [(check_run, segments, one) for one in self.runs]
        for check, of, (file, header, entries) in checks:
            try:
                check(header, entries, of, log)
            except Wrong as wrong:
                log.problems.append(Damage(file, 0, str(wrong)))
        for checkpoint in self.checkpoints:
            try:
                checkpoint.check(log)
            except Wrong as wrong:
                log.problems.append(Damage(checkpoint.file, 0, str(wrong)))


# --- A whole log ---


def read_log(files):
    """Everything that these files (their bytes, by name) say; raises `Damage`."""
    log = Log()
    evidence = Evidence(files, log.problems)
    for checkpoint in evidence.checkpoints:
        checkpoint.meet(log)
    names = sorted(file for file in files if file.startswith("segments/"))
    segments = []
    for name in names:
        number = re.fullmatch(r"segments/([0-9]{20})\.seg", name)
        if not number:
            raise Damage(name, 0, "the name is not that of a segment")
        if int(number[1]) != log.end:
            raise Damage(name, 0, f"the log goes on at {log.end}, but no segment does")
        segment = read_segment(name, files[name], log.end, name == names[-1], log, evidence)
        if segment:
            segments.append(segment)
    if not segments:
        for file in files:
            if not file.startswith("segments/"):
                raise Damage(file, 0, "it is there, but no segment is")
        return log
    if evidence.head:
        try:
            check_head(evidence.slots, segments, log)
        except Wrong as wrong:
            raise Damage("head", 0, str(wrong)) from None
    for file, end in evidence.ends:
        if end > log.end:
            raise Damage(file, 0, "the log is shorter than this file says")
    evidence.check(segments, log)
    log.sidecars, log.runs = len(evidence.sidecars), len(evidence.runs)
    log.checkpoints = len(evidence.checkpoints)
    return log


def load(directory):
    """The files of a log that its reader needs."""
    root, files = Path(directory), {}
    for pattern in ("head", "segments/*.seg", "keys/*.keys", "keys/*.run", "checkpoints/*.ckpt"):
        for path in root.glob(pattern):
            files[path.relative_to(root).as_posix()] = path.read_bytes()
    return files


def report(log, damage=None):
    """What `--check` prints."""
    problems = [damage] if damage else log.problems
    shown = {"ok": not problems}
    if log:
        names = [
            *("segments", "batches", "batches_of_marks", "batches_of_choices"),
            *("end", "bytes", "torn_bytes"),
            *("sidecars", "runs", "checkpoints", "cents", "appended_at", "chain"),
        ]
        shown.update((name, getattr(log, name)) for name in names)
        shown.update(customers=len(log.customers), events=len(log.lines), digest=log.digest())
        shown["salts"] = len(log.salts)
        shown["forms"] = dict(sorted(log.forms.items()))
    shown["problems"] = [
        {"file": one.file, "offset": one.offset, "reason": one.reason} for one in problems
    ]
    return json.dumps(shown)


def main(arguments):
    mode = arguments.pop(0) if arguments[:1] in (["--check"], ["--both"]) else "--print"
    if not arguments or arguments[0].startswith("-"):
        sys.exit(__doc__)
    failed = False
    for directory in arguments:
        log, damage = None, None
        try:
            log = read_log(load(directory))
            problems = log.problems
        except Damage as found:
            damage = found
            problems = [found]
        out = [] if mode == "--print" else [report(log, damage)]
        if log and mode != "--check":
            out += log.lines
        sys.stdout.buffer.write("".join(text + "\n" for text in out).encode())
        for problem in problems:
            print(f"{directory}/{problem}", file=sys.stderr)
        failed = failed or bool(problems)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
