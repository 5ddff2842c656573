"""What the hostile tests share: pieces of datasets written by hand, and the one verdict, clean or refused."""

import struct
from io import BytesIO
from typing import Final

import pydicom

from deidentification import CannotDeidentify, Profile
from deidentification.errors import LeftOut
from deidentification.profiles import BUILT_IN
from tests.unit.deidentification.builders import Bench, raw

BASIC: Final = BUILT_IN["basic"]
SECRET: Final = b"ZQKANARI"
UNDEFINED: Final = 0xFFFFFFFF
ITEM_END, SEQUENCE_END = b"\xfe\xff\x0d\xe0\0\0\0\0", b"\xfe\xff\xdd\xe0\0\0\0\0"


def item(content: bytes, length: int | None = None) -> bytes:
    """A sequence item, of undefined length with UNDEFINED."""
    size = len(content) if length is None else length
    return b"\xfe\xff\x00\xe0" + struct.pack("<L", size) + content + (ITEM_END if length == UNDEFINED else b"")


def sequence(tag: int, *contents: bytes, vr: bytes = b"SQ") -> bytes:
    """A sequence of items, all lengths defined."""
    return raw(tag, vr, b"".join(item(content) for content in contents))


def open_sequence(tag: int, *contents: bytes, vr: bytes = b"SQ") -> bytes:
    """A sequence of items, all lengths undefined."""
    body = b"".join(item(content, UNDEFINED) for content in contents)
    return raw(tag, vr, body + SEQUENCE_END, UNDEFINED)


def seen(content: bytes, *secrets: bytes) -> list[bytes]:
    """Which secrets stand in the bytes, in any case, in UTF-16 or with NULs between."""
    forms = (content.lower(), content.replace(b"\0", b"").lower())
    return [secret for secret in secrets if any(secret.lower() in form for form in forms)]


def verdict(bench: Bench, content: bytes, *secrets: bytes, profile: Profile = BASIC) -> bytes | None:
    """The clean result, or None when the engine refuses; a secret in the result or in the refusal fails the test."""
    refused: Exception | None = None
    there = set(bench.out.rglob("*"))
    try:
        output = bench.written(content, profile)
    except (CannotDeidentify, LeftOut) as refusal:
        refused = refusal
    if refused is not None:
        assert not seen(repr(refused.args).encode(), *secrets)
        assert not [path for path in set(bench.out.rglob("*")) - there if path.is_file()]
        return None
    assert seen(output, *secrets) == []
    assert pydicom.dcmread(BytesIO(output)).PatientID == "NOR_001"
    return output
