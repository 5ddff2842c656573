"""Where the dataset of a DICOM file begins: after preamble and file meta information (PS3.10 §7.1)."""

import os
from struct import Struct, error

_HEAD = Struct("<128x4sHH2sHI")
"""Preamble, `DICM`, then (0002,0000) with VR UL, length 4, value."""
_PREFIX = 132
_SHORT = Struct("<HH2sH")
_LONG = Struct("<HH2sxxI")
_LONG_VRS = frozenset((b"OB", b"OW", b"UN", b"UT", b"SQ"))
_LONGEST_META = 1 << 16


class NotDicom(Exception):
    """The file is no DICOM file of PS3.10."""


def dataset_start(file: int) -> int:
    """The offset of the dataset in an open file (a descriptor)."""
    head = os.pread(file, _HEAD.size, 0)
    if len(head) < _HEAD.size:
        raise NotDicom("too short")
    magic, group, element, vr, length, value = _HEAD.unpack(head)
    if magic != b"DICM" or group != 2:
        raise NotDicom("no file meta information")
    if (element, vr, length) == (0, b"UL", 4):
        return _HEAD.size + int(value)
    return _PREFIX + _meta_length(os.pread(file, _LONGEST_META, _PREFIX))


def _meta_length(data: bytes) -> int:
    """The length of the explicit VR elements of group 0002 at the start of `data`."""
    at = 0
    try:
        while at < len(data):
            group, _, vr, length = _SHORT.unpack_from(data, at)
            if group != 2:
                break
            if vr in _LONG_VRS:
                at += _LONG.size + int(_LONG.unpack_from(data, at)[3])
            else:
                at += _SHORT.size + int(length)
    except error:
        raise NotDicom("file meta information that ends in the middle") from None
    return at
