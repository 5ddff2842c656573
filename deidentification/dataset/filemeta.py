"""Preamble and File Meta Information, written from scratch: nothing of the source's survives (PS3.15 E.1.1)."""

from functools import lru_cache
from struct import pack
from typing import Final

from deidentification.dataset.encoding import EXPLICIT_LE, element

IMPLEMENTATION_CLASS_UID: Final = "2.25.4839370257663871230258686082509288248"
IMPLEMENTATION_VERSION_NAME: Final = "FIONA"


@lru_cache(maxsize=64)
def _around(sop_class: bytes, transfer_syntax: str) -> tuple[bytes, bytes]:
    """What stands before and after the instance's own UID."""
    before, after = (
        b"".join(element(tag, vr, value, EXPLICIT_LE) for tag, vr, value in part)
        for part in (
            ((0x00020001, b"OB", b"\0\1"), (0x00020002, b"UI", sop_class)),
            (
                (0x00020010, b"UI", transfer_syntax.encode()),
                (0x00020012, b"UI", IMPLEMENTATION_CLASS_UID.encode()),
                (0x00020013, b"SH", IMPLEMENTATION_VERSION_NAME.encode()),
            ),
        )
    )
    return before, after


def file_meta(sop_class: bytes, sop_instance: bytes, transfer_syntax: str) -> bytes:
    """A zeroed preamble, the prefix, and the five attributes that PS3.10 7.1 demands, with our version name."""
    before, after = _around(sop_class, transfer_syntax)
    body = before + element(0x00020003, b"UI", sop_instance, EXPLICIT_LE) + after
    return bytes(128) + b"DICM" + element(0x00020000, b"UL", pack("<L", len(body)), EXPLICIT_LE) + body
