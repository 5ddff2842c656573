"""UIDs: deterministic in a project, keyed under 2.25 or as the original made them; the Standard's own ones stay."""

import hashlib
import hmac
import re
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Final, Literal

from pydicom._uid_dict import UID_dictionary

Scheme = Literal["keyed", "original"]
Mapped = Callable[[bytes], bytes]

STANDARD: Final = frozenset(uid.encode() for uid in UID_dictionary)
VALID: Final = re.compile(rb"[0-9]+(\.[0-9]+)+")
# Classes, contexts and syntaxes newer than the library's dictionary: short components, so no date fits in one.
STANDARD_SHAPE: Final = re.compile(rb"1\.2\.840\.10008(\.(0|[1-9][0-9]{0,3})){1,10}")
# Makers' own SOP classes as their conformance statements and the dictionaries of PixelMed and dcm4che list them. Whole
# UIDs and no roots: a maker's instances stand under the same root.
VENDOR_CLASSES: Final = frozenset(
    (
        # Siemens: CSA Non-Image, CT MR volume, AX frame sets.
        *(b"1.3.12.2.1107.5.9.1", b"1.3.12.2.1107.5.99.3.10", b"1.3.12.2.1107.5.99.3.11"),
        # GE: info objects of MR, CT and display, 3D model, protocol or NM Genie, PET raw data, plan.
        *(b"1.2.840.113619.4." + last for last in b"2 3 4 26 27 30 5.249".split()),
        # Philips: X-ray, ultrasound and volumes; ViewForum; runs; Gyroscan and Intera.
        *(b"1.3.46.670589.2." + last for last in b"3.1.1 4.1.1 5.1.1 8.1.1 11.1.1".split()),
        *(b"1.3.46.670589.5.0." + last for last in b"1 1.1 2 2.1 3 3.1 4 7 8 9 10 11 12 13 14".split()),
        *(b"1.3.46.670589.7.8." + last for last in b"1618510091 1618510092 16185100129 16185100130".split()),
        *(b"1.3.46.670589.11.0.0.12." + last for last in b"1 2 3 4".split()),
    )
)
PADDING: Final = b"\0 "
ORIGINAL_ROOT: Final = "1.3.6.1.4.1.45037."
ORIGINAL_DIGITS: Final = str.maketrans("0123456789abcdef", "0123456789012345")
ORIGINAL_LENGTH: Final = 63


def is_valid(uid: bytes) -> bool:
    """PS3.5 9.1: digits and dots, at most 64 characters; leading zeros are forgiven."""
    return len(uid) <= 64 and VALID.fullmatch(uid) is not None


@lru_cache(maxsize=1024)
def is_class(uid: bytes) -> bool:
    """A UID that names a kind (SOP class, syntax, context), not a thing: the Standard's own and the known vendors'."""
    return uid in STANDARD or uid in VENDOR_CLASSES or STANDARD_SHAPE.fullmatch(uid) is not None


@lru_cache(maxsize=8192)
def new_uid(key: bytes, uid: bytes) -> bytes:
    """HMAC-SHA-256 of the UID under the project's key as a version 8 UUID (RFC 9562) in its 2.25 form."""
    number = int.from_bytes(hmac.digest(key, b"fiona/uid\0" + uid, "sha256")[:16])
    number = number & ~(0xF << 76) | 0x8 << 76
    number = number & ~(0x3 << 62) | 0x2 << 62
    return b"2.25.%d" % number


@lru_cache(maxsize=8192)
def original_uid(project: bytes, uid: bytes) -> bytes:
    """The UID that the original system gave: SHA-256 of the stored bytes and the project's name, in decimal digits.

    It has no key, and its last component may begin with a zero (PS3.5 9.1 forbids that): both as the original did,
    or a study that is already in a research PACS would get another UID. Stored bytes are of even length.
    """
    stored = uid + b"\0" if len(uid) % 2 else uid
    digest = hashlib.sha256(stored + project).hexdigest()
    return (ORIGINAL_ROOT + digest.translate(ORIGINAL_DIGITS))[:ORIGINAL_LENGTH].encode()


def mapped_by(scheme: Scheme, key: bytes, project: str) -> Mapped:
    """How a project's UIDs are made."""
    return partial(new_uid, key) if scheme == "keyed" else partial(original_uid, project.encode())


def replace(new: Mapped, value: bytes) -> bytes:
    """Map every component of a UI value; the Standard's own and empty ones stay."""
    return b"\\".join(
        part if not part or part in STANDARD else new(part)
        for part in (part.strip(PADDING) for part in value.split(b"\\"))
    )


def replace_instances_only(new: Mapped, value: bytes) -> bytes:
    """Map what is not a class UID, for attributes that hold class UIDs."""
    return b"\\".join(
        part if not part or is_class(part) else new(part)
        for part in (part.strip(PADDING) for part in value.split(b"\\"))
    )
