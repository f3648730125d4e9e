"""The body of a batch, for decoder.py: columns, the events in them, and those as lines of JSON."""

import datetime
import json
from collections import Counter

MIB_16 = 16 << 20  # no body is longer, and no column unpacks to more
NOBODY = 0xFFFF_FFFF  # the ordinal of a customer that is not in this log

CUSTOMER_NEW, CUSTOMER_UPDATE, VISIT, IMAGE, ORDER_NEW, ORDER_EFFECTIVE, ORDER_STALE = range(1, 8)
NAMES = {
    CUSTOMER_NEW: ("CUSTOMER", "NEW"),
    CUSTOMER_UPDATE: ("CUSTOMER", "UPDATE"),
    VISIT: ("SITE_VISIT", "NEW"),
    IMAGE: ("IMAGE", "UPLOAD"),
    ORDER_NEW: ("ORDER", "NEW"),
    ORDER_EFFECTIVE: ("ORDER", "UPDATE"),
    ORDER_STALE: ("ORDER", "UPDATE"),
}
ORDERS = (ORDER_NEW, ORDER_EFFECTIVE, ORDER_STALE)
# Bit, name, and the kinds that may have the text. Tags stand as JSON, the others are strings.
TEXTS = [
    (1, "last_name", (CUSTOMER_NEW, CUSTOMER_UPDATE)),
    (2, "adr_city", (CUSTOMER_NEW, CUSTOMER_UPDATE)),
    (4, "adr_state", (CUSTOMER_NEW, CUSTOMER_UPDATE)),
    (8, "tags", (VISIT,)),
    (16, "camera_make", (IMAGE,)),
    (32, "camera_model", (IMAGE,)),
    (64, "", tuple(NAMES)),  # all other fields, one JSON object
]


class Wrong(Exception):
    """A rule that does not hold. Whoever knows the place makes it a `Damage`."""


def need(holds, reason):
    if not holds:
        raise Wrong(reason)


def is_zero(piece):
    return not any(piece)


# --- Columns ---


def unsigned(data, at):
    """A number of variable length, and where it ends."""
    need(at < len(data), "a number is cut")
    first = data[at]
    if first < 251:
        return first, at + 1
    need(first < 254, "a number has an unknown length")
    width = {251: 2, 252: 4, 253: 8}[first]
    need(at + 1 + width <= len(data), "a number is cut")
    value = int.from_bytes(data[at + 1 : at + 1 + width], "little")
    need(value >= {2: 251, 4: 1 << 16, 8: 1 << 32}[width], "a number is longer than it must be")
    return value, at + 1 + width


def signed(data, at):
    """Zigzag: 0, -1, 1, -2, 2 are kept as 0, 1, 2, 3, 4."""
    value, at = unsigned(data, at)
    return (value >> 1) ^ -(value & 1), at


def lz4_block(data, size):
    """The `size` bytes that an LZ4 block unpacks to."""
    out, at = bytearray(), 0

    def length(nibble):
        nonlocal at
        total = nibble
        while nibble == 15:
            need(at < len(data), "an LZ4 length is cut")
            total, at = total + data[at], at + 1
            if data[at - 1] != 255:
                break
        return total

    while True:
        need(at < len(data), "an LZ4 block is cut")
        token, at = data[at], at + 1
        literals = length(token >> 4)
        need(at + literals <= len(data), "LZ4 literals are cut")
        out += data[at : at + literals]
        at += literals
        if at == len(data):
            break
        need(at + 2 <= len(data), "an LZ4 distance is cut")
        distance, at = int.from_bytes(data[at : at + 2], "little"), at + 2
        count = length(token & 15) + 4
        need(0 < distance <= len(out), "an LZ4 distance leads out of the block")
        need(len(out) + count <= size, "an LZ4 block unpacks to too much")
        piece = bytes(out[-distance:][:count])
        out += (piece * (count // len(piece) + 1))[:count]
    need(len(out) == size, "an LZ4 block unpacks to another length")
    return bytes(out)


class Column:
    """One column as it stands, not yet unpacked."""

    def __init__(self, data, at):
        need(at + 2 <= len(data), "a column is cut")
        self.id, self.form = data[at], data[at + 1]
        self.base, at = signed(data, at + 2)
        self.scale, at = unsigned(data, at)
        length, at = unsigned(data, at)
        need(at + length <= len(data), f"column {self.id} is cut")
        self.data, self.end = data[at : at + length], at + length

    def integers(self, rows):
        """The values of so many rows, in the only way in which they may be written."""
        column, form = f"column {self.id}", self.form
        need(form <= 16, f"{column} has form {form}, not one of integers")
        if form == 0:
            need(self.scale == 1 and not self.data, f"{column}: form 0 has scale 1 and no data")
            return [self.base] * rows
        width = (form - 1) % 8 + 1
        need(rows * width <= MIB_16, f"{column} is too long")
        data = lz4_block(self.data, rows * width) if form > 8 else self.data
        need(len(data) == rows * width, f"{column} has not {rows} rows")
        steps = [
            int.from_bytes(data[at : at + width], "little") for at in range(0, len(data), width)
        ]
        need(self.scale in (1, 1_000, 1_000_000), f"{column} has scale {self.scale}")
        need(min(steps) == 0, f"{column}: the base is not the least value")
        need(max(steps) >> 8 * (width - 1) > 0, f"{column} is wider than it must be")
        for larger in (1_000, 1_000_000):
            coarse = all(step * self.scale % larger == 0 for step in steps)
            need(larger <= self.scale or not coarse, f"{column}: scale {larger} would do")
        values = [self.base + self.scale * step for step in steps]
        need(max(values) < 1 << 63, f"{column} has values beyond 64 bits")
        return values

    def bytes(self, length=None):
        """All bytes. Without `length` form 65 could not say whether its last digit counts."""
        column = f"column {self.id}"
        need(self.form in (64, 65, 66), f"{column} has form {self.form}, not one of bytes")
        need(self.scale == 1, f"{column}: bytes have scale 1")
        if self.form == 66:
            need(0 <= self.base <= MIB_16, f"{column} is too long")
            data = lz4_block(self.data, self.base)
        else:
            need(self.base == 0, f"{column}: bytes have base 0")
            data = self.data
        if self.form == 65:
            need(length is not None, f"{column} must not be packed digits")
            need(length > 0 and len(data) == (length + 1) // 2, f"{column} has another length")
            digits = data.hex()
            need(length == len(digits) or digits[-1] == "0", f"{column}: a half digit too many")
            data = digits[:length].encode()
        need(length is None or len(data) == length, f"{column} has another length")
        return data


def columns(data):
    """All columns of a body by id."""
    found, at, last = {}, 0, -1
    while at < len(data):
        column = Column(data, at)
        need(column.id > last, "columns are not in ascending order")
        found[column.id], at, last = column, column.end, column.id
    return found


# --- Events ---


class Event:
    """One event, its customer still an ordinal."""

    __slots__ = "sequence kind customer at_us cents superseded order_seq key texts".split()

    def __init__(self, sequence, kind, customer, at_us):
        self.sequence, self.kind, self.customer, self.at_us = sequence, kind, customer, at_us
        self.cents = self.superseded = self.order_seq = self.key = None
        self.texts = {}


def timestamp(at_us):
    """UTC with as few digits as say it."""
    seconds, us = divmod(at_us, 1_000_000)
    day, second = divmod(seconds, 86_400)
    day += 719_163  # Python counts from 0001-01-01, which is day 1, and lacks the year 0
    shift = 0 if day > 0 else 400  # years after which the calendar repeats
    date = datetime.date.fromordinal(day + 146_097 * shift // 400)
    digits = f".{us:06}".rstrip("0") if us else ""
    clock = f"{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}{digits}"
    return f"{date.year - shift:04}-{date.month:02}-{date.day:02}T{clock}Z"


def line(event, customers, currency):
    """The event as `ltvlog export` writes it: members in this order, no blanks between them."""
    sign, cents = "-" * ((event.cents or 0) < 0), abs(event.cents or 0)
    amount = f"{sign}{cents // 100}.{cents % 100:02}"
    text = line_with(amount, event, customers, currency)
    if event.kind in ORDERS and len(text.encode()) > 1 << 20:
        # It may have come with fewer digits, and no event is longer than a MiB.
        text = line_with(amount.rstrip("0").rstrip("."), event, customers, currency)
    return text


def line_with(amount, event, customers, currency):
    def text(value):
        return json.dumps(value, ensure_ascii=False)

    kind, verb = NAMES[event.kind]
    customer = customers[event.customer].id if event.customer != NOBODY else ""
    key = customer if event.kind == CUSTOMER_UPDATE else event.key
    out = f'{{"type":"{kind}","verb":"{verb}","key":{text(key)}'
    out += f',"event_time":"{timestamp(event.at_us)}"'
    if event.kind not in (CUSTOMER_NEW, CUSTOMER_UPDATE):
        out += f',"customer_id":{text(customer)}'
    if event.kind in ORDERS:
        out += f',"total_amount":"{amount} {currency}"'
    for bit, name, _ in TEXTS[:-1]:
        if bit in event.texts:
            out += f',"{name}":{event.texts[bit] if bit == 8 else text(event.texts[bit])}'
    if event.texts.get(64, "{}") != "{}":
        out += "," + event.texts[64][1:-1]
    return out + "}"


def check_json(text, bit):
    """Tags are an array or an object, the other fields an object with members, on one line."""

    def refuse(name):
        raise ValueError(name)

    try:  # numbers stay as they are, however long
        value = json.loads(text, parse_int=str, parse_float=str, parse_constant=refuse)
    except ValueError as error:
        raise Wrong("a text is no JSON") from error
    need("\n" not in text and "\r" not in text, "a text has more than one line")
    need(isinstance(value, (list, dict) if bit == 8 else dict), "a text is other JSON")


def events_of(body, count, first, log):
    """The events of one batch, and its marks. All columns but those of later versions are used."""
    found = columns(body)
    log.forms.update(column.form for column in found.values())

    def take(number):
        need(number in found, f"column {number} is missing")
        return found.pop(number)

    def integers(number, rows):
        return iter(take(number).integers(rows) if rows else ())

    def one(number):
        need(number in found and found[number].form == 0, f"column {number} has one row, form 0")
        return next(integers(number, 1))

    def split(number, lengths):
        data, at, pieces = take(number).bytes(sum(lengths)) if lengths else b"", 0, []
        for length in lengths:
            pieces.append(text_of(data[at : at + length]))
            at += length
        return iter(pieces)

    need(one(1) == len(log.customers), "column 1 is not the number of customers before")
    appended_at = one(2)
    need(appended_at >= log.appended_at, "time of appending goes back")
    log.appended_at = appended_at

    kinds = list(integers(3, count))
    for kind in kinds:
        need(kind in NAMES or 64 <= kind < 128, f"kind {kind} needs a newer version")
    rows = Counter(kinds)
    orders, effective = sum(rows[kind] for kind in ORDERS), rows[ORDER_EFFECTIVE]
    customers, times = integers(4, count), integers(5, count)
    cents = integers(6, orders)
    superseded = zip(integers(7, effective), integers(8, effective), integers(9, effective))
    order_seqs = integers(10, effective + rows[ORDER_STALE])
    lengths = list(integers(11, count - rows[CUSTOMER_UPDATE]))
    need(all(0 <= length <= 255 for length in lengths), "a key is too long")
    keys = split(12, lengths)
    fields = list(integers(13, count))
    need(all(0 <= bits < 128 for bits in fields), "a field needs a newer version")
    count_of_texts = sum(bin(bits).count("1") for bits in fields)
    chosen = 17 in found
    log.batches_of_choices += chosen
    choices = list(integers(17, count_of_texts)) if chosen else range(count_of_texts)
    written = 0
    for choice in choices:
        need(0 <= choice <= written, "distinct texts are not in the order in which they first come")
        written += choice == written
    text_lengths = list(integers(14, written))
    need(all(length >= 0 for length in text_lengths), "a text has a negative length")
    texts = list(split(15, text_lengths))
    need(not chosen or len(set(texts)) == written, "a distinct text is written twice")
    need(sum(text_lengths[choice] for choice in choices) <= MIB_16, "texts are too long")
    texts = iter([texts[choice] for choice in choices])
    marks = marks_of(take(16).bytes()) if 16 in found or not count else {}
    for number in found:
        need(number >= 64, f"column {number} has no rows, or needs a newer version")

    events = []
    for place, (kind, bits) in enumerate(zip(kinds, fields)):
        event = Event(first + place, kind, next(customers), next(times))
        if kind in ORDERS:
            event.cents = next(cents)
        if kind == ORDER_EFFECTIVE:
            event.superseded = next(superseded)
        if kind in (ORDER_EFFECTIVE, ORDER_STALE):
            event.order_seq = next(order_seqs)
        if kind != CUSTOMER_UPDATE:
            event.key = next(keys)
        for bit, _, allowed in TEXTS:
            if bits & bit:
                need(kind in allowed or kind >= 64, f"kind {kind} cannot have field {bit}")
                event.texts[bit] = next(texts)
                if bit in (8, 64):
                    check_json(event.texts[bit], bit)
        events.append(event)
    return events, marks


def text_of(data):
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise Wrong("a text is not UTF-8") from error


def marks_of(data):
    """Pairs of source and position, each with its length before it; the last of a source counts."""
    pieces, at = [], 0
    while at < len(data):
        end = at + 1 + data[at]
        need(end <= len(data), "a mark is cut")
        pieces.append(data[at + 1 : end])
        at = end
    need(pieces and len(pieces) % 2 == 0, "marks are pairs")
    return dict(zip(pieces[::2], pieces[1::2]))
