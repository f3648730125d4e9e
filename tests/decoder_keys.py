"""The hashes of key sidecars, for decoder.py: XXH3-64 and what it is taken of.

XXH3 is specified in https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md; the rest, the
normal form of an event, in docs/format.md.
"""

import json
import struct
import sys

if hasattr(sys, "set_int_max_str_digits"):
    sys.set_int_max_str_digits(0)  # an exponent may have as many digits as an event has room for

MASK = (1 << 64) - 1
P32_1, P32_2, P32_3 = 0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D
P64_1, P64_2, P64_3 = 0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9
P64_4, P64_5 = 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5
MX_1, MX_2 = 0x165667919E3779F9, 0x9FB21C651E98DF25
SECRET = bytes.fromhex(
    "b8fe6c3923a44bbe7c01812cf721ad1cded46de9839097db7240a4a4b7b3671f"
    "cb79e64eccc0e578825ad07dccff7221b8084674f743248ee03590e6813a264c"
    "3c2852bb91c300cb88d0658b1b532ea371644897a20df94e3819ef46a9deacd8"
    "a8fa763fe39c343ff9dcbbc7c70b4f1d8a51e04bcdb45931c89f7ec9d9787364"
    "eac5ac8334d3ebc3c581a0fffa1363eb170ddd51b7f0da49d316552629d4689e"
    "2b16be587d47a1fc8ff8b8d17ad031ce45cb3a8f95160428afd7fbcabb4b407e"
)
STRIPE, BLOCK = 64, 1024  # a block is as many stripes as the secret has steps of 8 bytes for


def word(data, at, width=8):
    return int.from_bytes(data[at : at + width], "little")


def folded(one, other):
    """The product of two words, its halves combined."""
    product = (one & MASK) * (other & MASK)
    return (product & MASK) ^ (product >> 64)


def avalanche(value):
    value &= MASK
    value = (value ^ value >> 37) * MX_1 & MASK
    return value ^ value >> 32


def mix(data, at, secret_at, seed):
    """Sixteen bytes with sixteen of the secret."""
    low = word(data, at) ^ (word(SECRET, secret_at) + seed & MASK)
    high = word(data, at + 8) ^ (word(SECRET, secret_at + 8) - seed & MASK)
    return folded(low, high)


def xxh3_64(data, seed):
    length = len(data)
    if length <= 3:
        if length == 0:  # the key of an event that was erased
            value = seed ^ word(SECRET, 56) ^ word(SECRET, 64)
        else:
            value = data[0] << 16 | data[length >> 1] << 24 | data[-1] | length << 8
            value ^= (word(SECRET, 0, 4) ^ word(SECRET, 4, 4)) + seed & MASK
        value = (value ^ value >> 33) * P64_2 & MASK
        value = (value ^ value >> 29) * P64_3 & MASK
        return value ^ value >> 32
    if length <= 8:
        seed ^= int.from_bytes(struct.pack("<I", seed & 0xFFFF_FFFF), "big") << 32
        value = word(data, length - 4, 4) + (word(data, 0, 4) << 32)
        value ^= (word(SECRET, 8) ^ word(SECRET, 16)) - seed & MASK
        turned = [(value << by | value >> 64 - by) & MASK for by in (49, 24)]
        value = (value ^ turned[0] ^ turned[1]) * MX_2 & MASK
        value = (value ^ (value >> 35) + length) * MX_2 & MASK
        return value ^ value >> 28
    if length <= 16:
        low = word(data, 0) ^ (word(SECRET, 24) ^ word(SECRET, 32)) + seed & MASK
        high = word(data, length - 8) ^ (word(SECRET, 40) ^ word(SECRET, 48)) - seed & MASK
        swapped = int.from_bytes(struct.pack("<Q", low), "big")
        return avalanche(length + swapped + high + folded(low, high))
    if length <= 128:
        total = length * P64_1
        for pair in range((length - 1) // 32 + 1):
            total += mix(data, 16 * pair, 32 * pair, seed)
            total += mix(data, length - 16 * (pair + 1), 32 * pair + 16, seed)
        return avalanche(total)
    if length <= 240:
        total = length * P64_1 + sum(mix(data, 16 * at, 16 * at, seed) for at in range(8))
        total = avalanche(total)
        for at in range(8, length // 16):
            total += mix(data, 16 * at, 16 * (at - 8) + 3, seed)
        return avalanche(total + mix(data, length - 16, 136 - 17, seed))
    return xxh3_long(data, seed)


def xxh3_long(data, seed):
    signs = [seed if at % 2 == 0 else -seed for at in range(24)]
    words = [word(SECRET, 8 * at) + signs[at] & MASK for at in range(24)]
    secret = struct.pack("<24Q", *words)
    state = [P32_3, P64_1, P64_2, P64_3, P64_4, P32_2, P64_5, P32_1]

    def take(at, secret_at):
        for lane in range(8):
            value = word(data, at + 8 * lane)
            key = value ^ word(secret, secret_at + 8 * lane)
            state[lane ^ 1] += value
            state[lane] += (key & 0xFFFF_FFFF) * (key >> 32)

    last = len(data) - 1  # the stripe that it is in comes with what is before it, at the end
    for at in range(0, last // STRIPE * STRIPE, STRIPE):
        take(at, at % BLOCK // 8)
        if (at + STRIPE) % BLOCK == 0:
            for lane, value in enumerate(state):
                value &= MASK
                value ^= value >> 47 ^ word(secret, 192 - 64 + 8 * lane)
                state[lane] = value * P32_1 & MASK
    take(len(data) - STRIPE, 192 - 64 - 7)
    total = len(data) * P64_1
    for pair in range(4):
        low = state[2 * pair] & MASK ^ word(secret, 11 + 16 * pair)
        high = state[2 * pair + 1] & MASK ^ word(secret, 19 + 16 * pair)
        total += folded(low, high)
    return avalanche(total)


class Number(str):
    """A number as JSON spells it."""


class Object(list):
    """Members as they come."""


def normal_string(text):
    data = text.encode()
    return b"s" + struct.pack("<Q", len(data)) + data


def normal_number(text):
    """Digits without zeros at either end, and the power of ten of the last one."""
    sign = "-" if text.startswith("-") else "+"
    mantissa, _, exponent = text.lstrip("-").lower().partition("e")
    units, _, fraction = mantissa.partition(".")
    power = int(exponent or "0") - len(fraction)
    digits = (units + fraction).lstrip("0")
    power += len(digits) - len(digits.rstrip("0"))
    digits = digits.rstrip("0")
    return f"d{sign}{digits}e{power}]".encode() if digits else b"d]"


def normal_value(value):
    if isinstance(value, Number):
        return normal_number(value)
    if isinstance(value, str):
        return normal_string(value)
    if isinstance(value, Object):
        members = sorted(value, key=lambda member: member[0])
        return b"{" + b"".join(normal_string(k) + normal_value(v) for k, v in members) + b"]"
    if isinstance(value, list):
        return b"[" + b"".join(map(normal_value, value)) + b"]"
    return {True: b"wt", False: b"wf", None: b"wn"}[value]


def normal_text(bit, text):
    if text is None or bit == 64 and text == "{}":
        return b"-"
    if bit not in (8, 64):
        return normal_string(text)
    hooks = {"parse_int": Number, "parse_float": Number, "object_pairs_hook": Object}
    return normal_value(json.loads(text, **hooks))


def key_hash(seed, kind, key):
    """Of a NEW, an UPLOAD, or an order's newest state."""
    return xxh3_64(key.encode(), (seed + kind) % 2**64)


def update_hash(seed, names, event):
    """Of an update, whose customer stands in it as an ordinal."""
    key = event.key or ""  # a customer's update has none of its own
    strings = b"".join(map(normal_string, (*names, key, "")))
    numbers = struct.pack("<2q", event.at_us, event.cents or 0)
    texts = b"".join(normal_text(1 << bit, event.texts.get(1 << bit)) for bit in range(7))
    return xxh3_64(struct.pack("<BI", 5, event.customer) + strings + numbers + texts, seed)
