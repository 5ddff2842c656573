"""Attributes that no profile decides on: the engine's promises hang on them."""

from typing import Final

# Attributes that no override touches: tag -> why.
CARRIER: Final = "it carries the new identity"
OBJECT: Final = "it says what the object is, and is replaced everywhere or nowhere"
PIXELS: Final = "it describes the pixels"
METHOD: Final = "it says how the object was de-identified"
PROTECTED: Final[dict[int, str]] = {
    **dict.fromkeys(
        (
            *(0x00080080, 0x00080090, 0x00100010, 0x00100020, 0x00120010, 0x00120020, 0x00120021),
            *(0x00120040, 0x00120050, 0x00120051, 0x00401002, 0x00402001),
        ),
        CARRIER,
    ),
    **dict.fromkeys((0x00080016, 0x00080018, 0x0020000D, 0x0020000E), OBJECT),
    **dict.fromkeys((0x00120062, 0x00120063, 0x00120064, 0x00280301, 0x00280302, 0x00280303), METHOD),
    0x00080005: "the kept text is written in it",
    0x00420011: "what becomes of documents is said by `documents`",
    0x0040A730: "content items have rules of their own (E.3.4)",
    **dict.fromkeys((0x00280002, 0x00280003, 0x00280004, 0x00280006, 0x00280008), PIXELS),
    **dict.fromkeys(
        (0x00280010, 0x00280011, 0x00280100, 0x00280101, 0x00280102, 0x00280103), "it describes the pixels"
    ),
}
PROTECTED_GROUPS: Final[dict[int, str]] = {
    0x0000: "commands are no part of an object",
    0x0002: "File Meta is written anew",
    0x0004: "directories are not passed on",
    0x0400: "signatures and encrypted attributes do not survive",
    0x7FE0: "pixel data is treated by `pixels`",
    0xFFFA: "signatures do not survive",
    0xFFFC: "padding is not passed on",
    0xFFFE: "it is no attribute but a delimiter",
}
# Carriers that Retain Institution Identity would keep.
CARRIERS_OF_INSTITUTION: Final = (0x00080080,)
# Attributes that may go, change or be hashed, but never stay: tag -> why is the same for all.
DIRECT: Final = frozenset(
    (
        0x00080092,  # Referring Physician's Address
        0x00080094,  # Referring Physician's Telephone Numbers
        0x00100030,  # Patient's Birth Date
        0x00100033,  # Patient's Birth Date in Alternative Calendar
        0x00101000,  # Other Patient IDs
        0x00101002,  # Other Patient IDs Sequence
        0x00101040,  # Patient's Address
        0x00101090,  # Medical Record Locator
        0x00102154,  # Patient's Telephone Numbers
        0x00102155,  # Patient's Telecom Information
        0x00380400,  # Patient's Institution Residence
        0x00401101,  # Person Identification Code Sequence
        0x00401102,  # Person's Address
        0x00401103,  # Person's Telephone Numbers
        0x00401104,  # Person's Telecom Information
        0x00402010,  # Order Callback Phone Number
        0x00402011,  # Order Callback Telecom Information
    )
)


def why(tag: int) -> str | None:
    """Why no override may touch the attribute; None when one may."""
    group = tag >> 16
    if tag in PROTECTED:
        return PROTECTED[tag]
    if group in PROTECTED_GROUPS:
        return PROTECTED_GROUPS[group]
    if group & 1:
        return "private elements are named under `private`, by their creator"
    if group & 0xFF00 in (0x5000, 0x6000):
        return "curves and overlays are pictures that nobody looked at, and go"
    return None
