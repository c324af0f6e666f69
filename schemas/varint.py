"""Avro's whole numbers: zigzag, seven bits a byte, least first.

Decides: how they are read, and that one of more than 64 bits or a negative length is none. Leaves to others: what they count.
"""

from schemas.errors import NOT_AVRO, Undecodable


def read_long(raw: bytes, at: int) -> tuple[int, int]:
    """Read a number of up to 64 bits: the number and the position after it. Past the end: IndexError."""
    value = raw[at]
    if value < 128:
        return (value >> 1) ^ -(value & 1), at + 1
    byte = raw[at + 1]
    if byte < 128:  # lengths of 64 and more, the most frequent of the longer ones
        value += (byte << 7) - 128
        return (value >> 1) ^ -(value & 1), at + 2
    value += (byte << 7) - 128 - (128 << 7)
    at += 2
    shift = 14
    while (byte := raw[at]) > 127:
        value += (byte - 128) << shift
        shift += 7
        at += 1
        if shift > 63:
            raise Undecodable(NOT_AVRO, "a number of more than 64 bits")
    value += byte << shift
    if value >> 64:
        raise Undecodable(NOT_AVRO, "a number of more than 64 bits")
    return (value >> 1) ^ -(value & 1), at + 1


def read_int(raw: bytes, at: int) -> tuple[int, int]:
    """Read a number of up to 32 bits."""
    value, at = read_long(raw, at)
    if not -0x80000000 <= value <= 0x7FFFFFFF:
        raise Undecodable(NOT_AVRO, "an int of more than 32 bits")
    return value, at


def read_span(raw: bytes, at: int) -> tuple[int, int]:
    """Read a length: where what it measures begins, and where it ends, which may be past the end of `raw`."""
    size, at = read_long(raw, at)
    if size < 0:
        raise Undecodable(NOT_AVRO, "a negative length")
    return at, at + size
