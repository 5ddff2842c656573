"""A result's file: a header that was checked, and pixels, under a temporary name; read back before it may be named."""

import errno
import mmap
import os
from collections.abc import Callable
from itertools import count
from typing import Final

from deidentification.committing import discard
from deidentification.dataset.source import Source
from deidentification.pixels import copying

# Up to here the source's pages are mapped and written with the header in one call, which costs least.
MAPPED: Final = 8 * 1024 * 1024
FLAGS: Final = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
_UNIQUE: Final = count()


def write(
    path: str, header: bytes, found: copying.Pixels | None, source: Source, verify: Callable[[bytes], None]
) -> tuple[int, str, int]:
    """Write header and pixels: descriptor, temporary name and size of the file.

    `verify` looks at the header before anything of it touches the disk, so that a process that is killed leaves no
    unverified file; what was written is then read back and compared. Raises OSError when the disk changed it.
    """
    verify(header)
    folder, name = os.path.split(path)
    temporary = f"{folder}/.{name}.{os.getpid()}.{next(_UNIQUE)}.part"
    try:
        fd = os.open(temporary, FLAGS, 0o640)
    except FileNotFoundError:
        os.makedirs(folder, exist_ok=True)
        fd = os.open(temporary, FLAGS, 0o640)
    try:
        size = len(header)
        if found is not None:
            size += len(found.header) + found.end - found.start + found.pad
        if found is None:
            write_all(fd, header)
        elif found.end <= MAPPED and not found.blanks and not found.pad and found.end > found.start:
            _write_mapped(fd, header + found.header, found, source)
        else:
            write_all(fd, header + found.header)
            copying.copy(source, found, fd, len(header) + len(found.header))
        if os.pread(fd, len(header), 0) != header:
            raise OSError(errno.EIO, "the disk does not hold what was written")
        return fd, temporary, size
    except BaseException:
        os.close(fd)
        discard(temporary)
        raise


def _write_mapped(fd: int, header: bytes, found: copying.Pixels, source: Source) -> None:
    start, end = source.start + found.start, source.start + found.end
    with (
        mmap.mmap(source.fd, end, flags=mmap.MAP_SHARED | mmap.MAP_POPULATE, prot=mmap.PROT_READ) as pages,
        memoryview(pages) as view,
        view[start:end] as pixels,
    ):
        done = os.writev(fd, (header, pixels))
        if done < len(header):
            write_all(fd, header[done:])
            done = len(header)
        while done < len(header) + len(pixels):
            with pixels[done - len(header) :] as rest:
                done += os.write(fd, rest)


def write_all(fd: int, data: bytes) -> None:
    """`os.write` until everything is written."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
