"""For a peer that refuses a file's transfer syntax: the same instance uncompressed, UIDs and values kept."""

import tempfile
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
    """The file in Explicit or Implicit VR Little Endian, as a temporary file without a name."""
    try:
        dataset = dcmread(path)
        own = dataset.file_meta.TransferSyntaxUID
        if own not in REVERSIBLE:
            raise CannotTranscode(str(own))
        if own.is_compressed and own != DeflatedExplicitVRLittleEndian:
            dataset.decompress(generate_instance_uid=False)
        dataset.file_meta.TransferSyntaxUID = UID(transfer_syntax)
        implicit = transfer_syntax == ImplicitVRLittleEndian
        result = tempfile.TemporaryFile()  # noqa: SIM115
        dataset.save_as(result, implicit_vr=implicit, little_endian=True, enforce_file_format=True)
        result.flush()
    except CannotTranscode:
        raise
    except Exception as error:  # a codec may fail in any way; each means the same
        raise CannotTranscode(type(error).__name__) from error
    return result
