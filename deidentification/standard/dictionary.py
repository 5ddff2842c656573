"""What the data dictionary (PS3.6) says of an attribute: its value representations."""

from typing import Final

from pydicom._dicom_dict import DicomDictionary

# Attributes of the 2026c tables that the library's dictionary is too old to know: tag -> VR, keyword.
_NEWER: Final[dict[int, tuple[str, str]]] = {
    0x00081301: ("SQ", "PrincipalDiagnosisCodeSequence"),
    0x00081302: ("SQ", "PrimaryDiagnosisCodeSequence"),
    0x00081303: ("SQ", "SecondaryDiagnosesCodeSequence"),
    0x00081304: ("SQ", "HistologicalDiagnosesCodeSequence"),
    0x00100011: ("SQ", "PersonNamesToUseSequence"),
    0x00100012: ("LT", "NameToUse"),
    0x00100013: ("UT", "NameToUseComment"),
    0x00100014: ("SQ", "ThirdPersonPronounsSequence"),
    0x00100015: ("SQ", "PronounCodeSequence"),
    0x00100016: ("UT", "PronounComment"),
    0x00100041: ("SQ", "GenderIdentitySequence"),
    0x00100042: ("UT", "SexParametersForClinicalUseCategoryComment"),
    0x00100043: ("SQ", "SexParametersForClinicalUseCategorySequence"),
    0x00100044: ("SQ", "GenderIdentityCodeSequence"),
    0x00100045: ("UT", "GenderIdentityComment"),
    0x00100046: ("SQ", "SexParametersForClinicalUseCategoryCodeSequence"),
    0x00100047: ("UR", "SexParametersForClinicalUseCategoryReference"),
    0x00102162: ("UC", "EthnicGroups"),
    0x0040A034: ("DT", "EffectiveStartDateTime"),
    0x0040A035: ("DT", "EffectiveStopDateTime"),
    0x0040B034: ("DT", "AnnotationDateTime"),
    0x0040B036: ("DT", "SegmentDefinitionDateTime"),
    0x0040B03B: ("LT", "MontageName"),
    0x0040B03F: ("LO", "MontageChannelLabel"),
    0x0040E012: ("UR", "DisplayURI"),
}
_NAMES = {"NONE": "UN"}
DICTIONARY: Final[dict[int, tuple[bytes, ...]]] = {tag: (vr.encode(),) for tag, (vr, _) in _NEWER.items()} | {
    tag: tuple(_NAMES.get(vr, vr).encode() for vr in entry[0].split(" or "))
    for tag, entry in DicomDictionary.items()
    if entry[4]
}
# The largest number of values, where the dictionary bounds it.
MULTIPLICITY: Final[dict[int, int]] = {
    tag: int(entry[1].rpartition("-")[2]) for tag, entry in DicomDictionary.items() if entry[1][-1:].isdigit()
}
KEYWORDS: Final[dict[int, str]] = {tag: keyword for tag, (_, keyword) in _NEWER.items()} | {
    tag: entry[4] for tag, entry in DicomDictionary.items() if entry[4]
}
TAGS: Final[dict[str, int]] = {keyword: tag for tag, keyword in KEYWORDS.items()}

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
