"""The header of one file, read once: only the elements that somebody wants, without pixels.

Skipping what nobody asked for makes this several times cheaper than building a dataset of it. Values are
decoded on demand by `values`.
"""

import mmap
import zlib
from collections.abc import Iterable
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

import pydicom
from pydicom.datadict import dictionary_VR, private_dictionary_VR, tag_for_keyword
from pydicom.filereader import _read_file_meta_info as read_file_meta_info

from services.indexer.headers import values
from services.indexer.headers.values import Value
from shared.dicom.elements import elements
from shared.dicom.encoding import DEFLATED, Buffer, Encoding, Unparsable, encoding_of
from shared.dicom.filemeta import read_meta

Raw = dict[int, tuple[str | None, bytes]]
"""Tag -> VR (None where none is written), undecoded value."""

CHARSET = 0x00080005
VALUE_LIMIT = 8 << 20
"""Bytes of one value that are kept: headers that matter are smaller."""
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
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        syntax, start = _file_meta(file, data)
        encoding = encoding_of(syntax, data, start)
        if syntax in DEFLATED:
            inflated = zlib.decompressobj(-zlib.MAX_WBITS).decompress(data[start:], INFLATED_LIMIT)
            found = find(inflated, 0, encoding, wanted)
        else:
            found = find(data, start, encoding, wanted)
    if not found:
        raise ValueError("none of the wanted elements is there")
    return Header(found, encoding.little_endian)


def find(buffer: Buffer, start: int, encoding: Encoding, wanted: frozenset[int]) -> Raw:
    """The wanted elements; of a dataset that is broken, as what is here already may be, those before it breaks."""
    found: Raw = {}
    with suppress(Unparsable):
        for tag, vr, value, length in elements(buffer, start, encoding, wanted, last=max(wanted)):
            if length <= VALUE_LIMIT:
                found[tag] = vr.decode() or None, bytes(buffer[value : value + length])
    return found


def _file_meta(file: BinaryIO, data: mmap.mmap) -> tuple[str, int]:
    """The transfer syntax UID and where the dataset starts; by pydicom where the file meta is odd or none."""
    with suppress(Unparsable):
        meta = read_meta(data)
        return meta.transfer_syntax_uid, meta.dataset
    dataset = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=[CHARSET], force=True)
    file.seek(128)
    start = 132 if file.read(4) == b"DICM" else 0
    file.seek(start)
    read_file_meta_info(file)
    return str(dataset.file_meta.get("TransferSyntaxUID", "")), file.tell()
