"""The file as it came: where its dataset begins, how it is encoded, and its bytes on demand."""

import errno
import os
import stat
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from deidentification.dataset.encoding import (
    EXPLICIT_BE,
    EXPLICIT_LE,
    IMPLICIT_LE,
    LONG_VRS,
    SHORT_VRS,
    Encoding,
)
from deidentification.dataset.reader import Buffer
from deidentification.dataset.syntaxes import BY_ENCODING, EXPLICIT, SYNTAXES, Syntax
from deidentification.errors import CannotDeidentify, NeedMore
from deidentification.standard.dictionary import DICTIONARY

FIRST_READ: Final = 32 * 1024
HEADER_LIMIT: Final = 64 * 1024 * 1024
META_LIMIT: Final = 1024 * 1024
INFLATED_LIMIT: Final = 1024 * 1024 * 1024
DIRECTORY_CLASS: Final = b"1.2.840.10008.1.3.10"
# What open(2) says of a socket, a link to itself, a path through a file.
NO_FILE: Final = frozenset((errno.ENXIO, errno.ELOOP, errno.ENOTDIR, errno.ENAMETOOLONG))
TRANSFER_SYNTAX, MEDIA_CLASS = 0x00020010, 0x00020002


@dataclass(frozen=True, slots=True)
class Source:
    """An open file: descriptor, offset of the dataset, end of the file, transfer syntax, what was read already."""

    fd: int
    start: int
    end: int
    syntax: Syntax
    head: bytes = b""

    @property
    def size(self) -> int:
        """Bytes from the dataset's first to the file's last."""
        return self.end - self.start

    def read(self, offset: int, count: int) -> bytes:
        """`count` bytes at `offset` from the dataset's start, fewer only at the end of the file."""
        return read_at(self.fd, self.start + offset, min(count, self.size - offset))

    def header(self, wanted: int = 0) -> Buffer:
        """The first `wanted` bytes of the dataset, or about the first 32 KiB."""
        if not wanted and self.head:
            return Buffer(self.head, self.size)
        wanted = wanted or FIRST_READ
        if wanted > HEADER_LIMIT and self.size > HEADER_LIMIT:
            raise CannotDeidentify("header-too-large", "what comes before the pixel data is larger than 64 MiB")
        return Buffer(self.read(0, wanted), self.size)


def read_at(fd: int, offset: int, count: int) -> bytes:
    """`os.pread` until everything is there or the file ends."""
    parts = []
    while count > 0:
        part = os.pread(fd, count, offset)
        if not part:
            break
        parts.append(part)
        offset += len(part)
        count -= len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


@contextmanager
def opened(path: Path, folder: Path | None = None) -> Iterator[Source]:
    """The file at `path`, inflated into an unnamed temporary file (in `folder`) when it is deflated.

    A file that is gone is refused. What else the file system says (too many files, a stale handle, an error of the
    disk) is no fault of the object: OSError goes to the caller, who may try again.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise CannotDeidentify("missing", "the file is gone from the archive") from None
    except OSError as problem:
        if problem.errno in NO_FILE:
            raise CannotDeidentify("unreadable", "not a regular file") from None
        raise
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise CannotDeidentify("unreadable", "not a regular file")
        source = _located(fd, status.st_size)
        if source.syntax.deflated:
            if folder is not None:
                folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder) as inflated:
                size = _inflate(source, inflated.fileno())
                yield Source(inflated.fileno(), 0, size, EXPLICIT)
        else:
            yield source
    finally:
        os.close(fd)


def _located(fd: int, size: int) -> Source:
    head = read_at(fd, 0, min(size, FIRST_READ))
    start = 132 if head[128:132] == b"DICM" else 0
    if head[start : start + 2] != b"\2\0":
        encoding = _sniffed(head[start:])
        return Source(fd, start, size, BY_ENCODING[encoding])
    try:
        start, syntax = _meta(Buffer(head, size), start)
    except NeedMore:
        start, syntax = _meta(Buffer(read_at(fd, 0, min(size, META_LIMIT)), min(size, META_LIMIT)), start)
    first = head[start : start + 8] or read_at(fd, start, 8)
    if syntax is None:
        syntax = BY_ENCODING[_sniffed(first)]
    elif not syntax.deflated and not syntax.encoding.implicit and first[4:6] not in SHORT_VRS | LONG_VRS:
        raise CannotDeidentify("encoding", "the dataset is not encoded as its transfer syntax says")
    return Source(fd, start, size, syntax, head[start:])


def _meta(buffer: Buffer, at: int) -> tuple[int, Syntax | None]:
    """Where the dataset begins and its transfer syntax, from the File Meta Information (PS3.10 7.1)."""
    uid = b""
    while at < buffer.loaded:
        if not _is_meta(buffer, at):
            break
        tag, _, value, length = buffer.header(at, buffer.loaded, EXPLICIT_LE)
        at = value + length
        if at > buffer.loaded:
            raise buffer.beyond(at, buffer.loaded)
        if tag == TRANSFER_SYNTAX:
            uid = buffer.data[value:at].strip(b"\0 ")
        elif tag == MEDIA_CLASS and buffer.data[value:at].strip(b"\0 ") == DIRECTORY_CLASS:
            raise CannotDeidentify("dicomdir", "a DICOMDIR is never passed on")
    if not uid:
        return at, None
    syntax = SYNTAXES.get(uid.decode("ascii", "replace"))
    if syntax is None:
        raise CannotDeidentify("transfer-syntax", "the transfer syntax is unknown or not a file's")
    return at, syntax


def _is_meta(buffer: Buffer, at: int) -> bool:
    if at + 8 > buffer.loaded:
        if buffer.loaded < buffer.size:
            raise NeedMore(at + 8)
        return False
    return buffer.data[at : at + 2] == b"\2\0"


def _sniffed(head: bytes) -> Encoding:
    """The encoding of a dataset without File Meta, told by its first element."""
    if len(head) >= 8:
        for encoding, order in ((EXPLICIT_LE, "little"), (EXPLICIT_BE, "big")):
            tag = int.from_bytes(head[:2], order) << 16 | int.from_bytes(head[2:4], order)  # type: ignore[arg-type]
            if head[4:6] in SHORT_VRS | LONG_VRS and (tag in DICTIONARY or not tag & 0xFFFF) and tag >> 16 < 0x7FE0:
                return encoding
        tag = int.from_bytes(head[:2], "little") << 16 | int.from_bytes(head[2:4], "little")
        if (tag in DICTIONARY or (not tag & 0xFFFF and tag)) and tag >> 16 <= 0x20:
            return IMPLICIT_LE
    raise CannotDeidentify("not-dicom", "not a DICOM file")


def _inflate(source: Source, target: int) -> int:
    """Inflate the dataset; bytes after the deflated stream are left behind."""
    stream, offset, size = zlib.decompressobj(-zlib.MAX_WBITS), 0, 0
    try:
        while not stream.eof:
            chunk = stream.unconsumed_tail or source.read(offset, FIRST_READ)
            if not stream.unconsumed_tail:
                offset += len(chunk)
            if not chunk:
                raise CannotDeidentify("truncated", "the deflated dataset ends early")
            plain = stream.decompress(chunk, 4 * 1024 * 1024)
            size += len(plain)
            if size > INFLATED_LIMIT:
                raise CannotDeidentify("inflated-too-large", "the deflated dataset is larger than 1 GiB")
            while plain:
                plain = plain[os.write(target, plain) :]
    except zlib.error:
        raise CannotDeidentify("deflate", "the deflated dataset cannot be inflated") from None
    return size
