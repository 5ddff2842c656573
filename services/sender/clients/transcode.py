"""For a peer that refuses a file's transfer syntax: the same instance uncompressed, UIDs and values kept."""

import tempfile
from contextlib import suppress
from pathlib import Path
from typing import IO

from pydicom import dcmread
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

REVERSIBLE = frozenset(
    str(uid)
    for uid in (
        DeflatedExplicitVRLittleEndian,
        ExplicitVRLittleEndian,
        ImplicitVRLittleEndian,
        HTJ2KLossless,
        HTJ2KLosslessRPCL,
        JPEG2000Lossless,
        JPEGLossless,
        JPEGLosslessSV1,
        JPEGLSLossless,
        RLELossless,
    )
)
"""What can be decoded to the very same pixels. A lossy file stays as it is: two decoders make two of it."""


class CannotTranscode(Exception):
    """There is no faithful uncompressed form of this file here."""


def transcode(path: Path, transfer_syntax: str) -> IO[bytes]:
    """The file in Explicit or Implicit VR Little Endian, as a temporary file without a name beside it.

    Not in /tmp: a container's is small, and of memory. OSError when there is no room, or nothing to read.
    """
    try:
        dataset = dcmread(path)
        own = dataset.file_meta.TransferSyntaxUID
        if own not in REVERSIBLE:
            raise CannotTranscode(str(own))
        if own.is_compressed and own != DeflatedExplicitVRLittleEndian:
            dataset.decompress(generate_instance_uid=False)
        dataset.file_meta.TransferSyntaxUID = UID(transfer_syntax)
        implicit = transfer_syntax == ImplicitVRLittleEndian
        result = tempfile.TemporaryFile(dir=path.parent, prefix=".", suffix=".part")  # noqa: SIM115
        try:
            dataset.save_as(result, implicit_vr=implicit, little_endian=True, enforce_file_format=True)
            result.flush()
        except BaseException:
            with suppress(OSError):
                result.close()
            raise
    except CannotTranscode:
        raise
    except Exception as error:  # a codec may fail in any way; each means the same
        if (said := _said_by_the_disk(error)) is not None:
            raise said from None
        raise CannotTranscode(type(error).__name__) from error
    return result


def _said_by_the_disk(error: BaseException) -> OSError | None:
    """What the system has said, below pydicom's words about the element that was being written."""
    while isinstance(error, OSError) and error.errno is None and error.__cause__ is not None:
        error = error.__cause__
    return error if isinstance(error, OSError) and error.errno is not None else None
