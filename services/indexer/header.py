"""The header of one file, read once: only the elements that somebody wants, without pixels.

Skipping what nobody asked for makes this several times cheaper than building a dataset of it. Values are
decoded on demand by `values`.
"""

import mmap
import zlib
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

import pydicom
from pydicom.datadict import dictionary_VR, private_dictionary_VR, tag_for_keyword
from pydicom.filereader import _read_file_meta_info as read_file_meta_info
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian

from services.indexer import values
from services.indexer.scan import Raw, Walk
from services.indexer.values import Value

CHARSET = 0x00080005
INFLATED_LIMIT = 16 << 20
"""Bytes of a deflated dataset that are looked at: a small file may inflate to anything."""


class Header:
    """The wanted elements of one file, by tag."""

    def __init__(self, raw: Raw, little_endian: bool) -> None:
        self.raw = raw
        self.little_endian = little_endian
        self.encodings = values.encodings_of(raw[CHARSET][1] if CHARSET in raw else None)
        self._decoded: dict[int, Value] = {}

    def __contains__(self, tag: int) -> bool:
        return tag in self.raw

    def vr(self, tag: int) -> str | None:
        """The VR in the file, or of the dictionary where the file does not say."""
        vr = self.raw[tag][0]
        return vr if vr not in (None, "UN") else (_dictionary(tag, self._creator(tag)) or vr)

    def value(self, tag: int) -> Value:
        """The decoded value; None when absent, empty or not representable."""
        if tag not in self._decoded:
            self._decoded[tag] = self._decode(tag)
        return self._decoded[tag]

    def bytes(self, tag: int) -> bytes:
        """The undecoded value."""
        return self.raw[tag][1] if tag in self.raw else b""

    def shown(self, tag: int) -> str | None:
        """The value as text, as the series JSON has it; None when absent."""
        return values.shown(self.value(tag), self.vr(tag)) if tag in self.raw else None

    def first(self, tag: int) -> str:
        """The first value as text; empty when absent."""
        value = self.value(tag)
        return str(value[0] if isinstance(value, list) else value) if value not in (None, []) else ""

    def whole(self, tag: int) -> str:
        """The text with its backslashes kept, for what identifies and must not be cut; empty when absent."""
        value = self.value(tag)
        return "\\".join(map(str, value)) if isinstance(value, list) else str(value if value is not None else "")

    def _creator(self, tag: int) -> str | None:
        if not (tag >> 16) & 1:
            return None
        creator = tag & 0xFFFF0000 | (tag & 0xFF00) >> 8
        return self.bytes(creator).decode("ascii", "replace").strip(" \0") or None

    def _decode(self, tag: int) -> Value:
        if tag not in self.raw:
            return None
        value = values.decode(self.vr(tag), self.raw[tag][1], self.encodings, self.little_endian)
        return None if value == "" else value


@lru_cache(maxsize=4096)
def _dictionary(tag: int, creator: str | None) -> str | None:
    try:
        vr = private_dictionary_VR(tag, creator) if creator is not None else dictionary_VR(tag)
    except KeyError:
        return None
    return vr.split()[0]


def keyword_tag(keyword: str) -> int | None:
    """The tag of a DICOM keyword."""
    return tag_for_keyword(keyword)


def with_creators(tags: Iterable[int]) -> frozenset[int]:
    """The tags, and what it takes to understand them: the character set and the creators of private ones."""
    wanted = {CHARSET, *tags}
    wanted |= {tag & 0xFFFF0000 | (tag & 0xFF00) >> 8 for tag in wanted if (tag >> 16) & 1 and tag & 0xFF00}
    return frozenset(wanted)


def read(path: Path, wanted: frozenset[int]) -> Header:
    """Read the wanted elements of a file; raises whatever it is that makes the file unreadable."""
    with path.open("rb") as file:
        syntax, start = _file_meta(file)
        implicit, little_endian = syntax == ImplicitVRLittleEndian, syntax != ExplicitVRBigEndian
        if syntax == DeflatedExplicitVRLittleEndian:
            file.seek(start)
            inflated = zlib.decompressobj(-zlib.MAX_WBITS).decompress(file.read(), INFLATED_LIMIT)
            found = Walk(inflated, implicit, little_endian).find(0, wanted)
        else:
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                found = Walk(data, implicit, little_endian).find(start, wanted)
    if not found:
        raise ValueError("none of the wanted elements is there")
    return Header(found, little_endian)


def _file_meta(file: BinaryIO) -> tuple[str, int]:
    """The transfer syntax UID and where the dataset starts (PS3.10 §7.1)."""
    head = file.read(1024)
    length = int.from_bytes(head[140:144], "little")
    meta = head[144 : 144 + length]
    found = meta.find(b"\x02\0\x10\0UI")
    if head[128:140] != b"DICM\x02\0\0\0UL\x04\0" or found < 0 or 144 + length > len(head):
        return _unusual(file)
    size = int.from_bytes(meta[found + 6 : found + 8], "little")
    return meta[found + 8 : found + 8 + size].decode("ascii", "replace").strip(" \0"), 144 + length


def _unusual(file: BinaryIO) -> tuple[str, int]:
    """The same by pydicom, for a file with long, odd or no file meta information."""
    file.seek(0)
    dataset = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=[CHARSET], force=True)
    syntax = str(dataset.file_meta.get("TransferSyntaxUID", ""))
    implicit, little_endian = dataset.original_encoding
    guessed = ImplicitVRLittleEndian if implicit else "" if little_endian else ExplicitVRBigEndian
    file.seek(128)
    start = 132 if file.read(4) == b"DICM" else 0
    file.seek(start)
    read_file_meta_info(file)
    return syntax or guessed, file.tell()
