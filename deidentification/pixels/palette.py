"""Palette colour: the lookup tables of the header as one table of RGB bytes, segmented ones expanded."""

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from deidentification.dataset.encoding import Encoding
from deidentification.errors import CannotDeidentify
from deidentification.pixels.image import DESCRIPTORS, SEGMENTED, TABLES

MOST_ENTRIES: Final = 65536


def table(captured: Mapping[int, bytes], encoding: Encoding, signed: bool) -> tuple[int, NDArray[np.uint8]]:
    """The first value that is mapped, and entries × 3 RGB bytes; values below or above take the first or last entry."""
    first, channels = 0, []
    for descriptor, plain, segmented in zip(DESCRIPTORS, TABLES, SEGMENTED, strict=True):
        described = _units(captured.get(descriptor, b""), 16, encoding)
        if len(described) < 3:
            raise CannotDeidentify("pixel-description", "a palette is not described", ((descriptor, None),))
        entries, first, bits = described[0] or MOST_ENTRIES, described[1], 8 if described[2] == 8 else 16
        plain_bytes = captured.get(plain, b"")
        if captured.get(segmented):
            values = expanded(_units(captured[segmented], bits, encoding), bits, entries)
        else:
            narrow = bits == 8 and len(plain_bytes) < 2 * entries
            values = np.array(_units(plain_bytes, 8 if narrow else 16, encoding), np.uint16)
        if len(values) < entries:
            raise CannotDeidentify("pixel-description", "a palette is shorter than it says", ((plain, None),))
        values = values[:entries].astype(np.uint32)
        # Some writers declare 16 bits and use 8.
        channels.append((values if values.max() < 256 else values >> 8).astype(np.uint8))
    if len({len(channel) for channel in channels}) != 1:
        raise CannotDeidentify("pixel-description", "the palettes differ in length", ((DESCRIPTORS[0], None),))
    return (first - 65536 if signed and first > 32767 else first), np.stack(channels, axis=1)


def expanded(units: list[int], bits: int, entries: int) -> NDArray[np.uint16]:
    """Discrete, linear and indirect segments as single entries (PS3.3 C.7.9.2)."""
    found: list[int] = []
    places: list[int] = []
    at = 0
    try:
        while at < len(units) - 1 and len(found) < entries:
            places.append(at)
            at = _segment(units, bits, at, places, found)
    except (IndexError, ValueError):
        raise CannotDeidentify("pixel-description", "a segmented palette cannot be expanded", ()) from None
    return np.array(found[:entries], np.uint16)


def _segment(units: list[int], bits: int, at: int, places: list[int], found: list[int], direct: bool = True) -> int:
    """Expand the segment at `at`; where the next one begins."""
    kind, length, at = units[at], units[at + 1], at + 2
    if kind == 0:
        if at + length > len(units):
            raise IndexError(at)
        found.extend(units[at : at + length])
        return at + length
    if kind == 1 and found:
        start, end = found[-1], units[at]
        found.extend(start + round((end - start) * step / length) for step in range(1, length + 1))
        return at + 1
    if kind == 2 and direct:
        size = 32 // bits
        offset = sum(unit << bits * place for place, unit in enumerate(units[at : at + size])) * 8 // bits
        for place in places[places.index(offset) :][:length]:
            if len(found) > MOST_ENTRIES:
                break
            _segment(units, bits, place, places, found, False)
        return at + size
    raise ValueError(kind)


def _units(data: bytes, bits: int, encoding: Encoding) -> list[int]:
    """Words, or the bytes of words where entries have 8 bits."""
    words = np.frombuffer(data[: len(data) & ~1], "<u2" if encoding.little else ">u2").astype("<u2")
    return [int(unit) for unit in (words.view(np.uint8) if bits == 8 else words)]
