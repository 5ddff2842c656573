"""What the data dictionary (PS3.6) says of an attribute: its value representations."""

from typing import Final

from pydicom._dicom_dict import DicomDictionary

# Attributes of the 2026c tables that need a VR and that the library's dictionary is too old to know.
NEWER: Final[dict[int, tuple[bytes, ...]]] = {
    0x00400000 | element: (b"DT",) for element in (0xA034, 0xA035, 0xB034, 0xB036)
}
_NAMES = {"NONE": "UN"}
DICTIONARY: Final[dict[int, tuple[bytes, ...]]] = NEWER | {
    tag: tuple(_NAMES.get(vr, vr).encode() for vr in entry[0].split(" or "))
    for tag, entry in DicomDictionary.items()
    if entry[4]
}
# The largest number of values, where the dictionary bounds it.
MULTIPLICITY: Final[dict[int, int]] = {
    tag: int(entry[1].rpartition("-")[2]) for tag, entry in DicomDictionary.items() if entry[1][-1:].isdigit()
}
KEYWORDS: Final[dict[int, str]] = {tag: entry[4] for tag, entry in DicomDictionary.items()}

NUMERIC_SIZES: Final[dict[bytes, int]] = {
    b"US": 2, b"SS": 2, b"UL": 4, b"SL": 4, b"FL": 4, b"FD": 8, b"UV": 8, b"SV": 8, b"AT": 4,
}  # fmt: skip
TEXT: Final = frozenset((b"AE", b"CS", b"LO", b"LT", b"PN", b"SH", b"ST", b"UC", b"UR", b"UT"))
FREE_TEXT: Final = frozenset((b"AE", b"LT", b"PN", b"ST", b"UC", b"UR", b"UT"))
BULK: Final = frozenset((b"OB", b"UN"))
FAMILIES: Final[tuple[frozenset[bytes], ...]] = (
    frozenset((*NUMERIC_SIZES, b"DS", b"IS")),
    frozenset((b"CS", b"LO", b"SH")),
    frozenset((b"OB", b"OW", b"OF", b"OD", b"OL", b"OV")),
    frozenset((b"DA", b"DT", b"TM")),
)


def compatible(vr: bytes, expected: tuple[bytes, ...]) -> bool:
    """Whether a file may write `vr` where the dictionary says `expected`: the same, or of the same family."""
    return vr in expected or any(vr in family and expected[0] in family for family in FAMILIES)
