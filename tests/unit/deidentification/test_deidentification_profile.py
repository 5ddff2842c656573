"""The compiled profile says what the Standard's rows say, and the review adds only what no row has."""

from deidentification import BASIC, Option, Profile
from deidentification.profiles import digest, explain
from deidentification.profiles.compiled import Act, compiled
from deidentification.standard import reviewed, tables
from deidentification.standard.dictionary import DICTIONARY

CONCRETE = {int(row.tag, 16): row for row in tables.attributes() if "x" not in row.tag and "g" not in row.tag}
EXPECTED = {
    "X": {Act.DROP},
    "Z": {Act.EMPTY},
    "X/Z": {Act.EMPTY},
    "D": {Act.DUMMY},
    "Z/D": {Act.DUMMY},
    "X/D": {Act.DUMMY},
    "X/Z/D": {Act.DUMMY},
    "U": {Act.UID},
    "X/Z/U*": {Act.WALK},
}
SPECIAL = set(reviewed.SEQUENCES) | {reviewed.ENCAPSULATED_DOCUMENT}


def expected(tag: int) -> set[Act]:
    """The acts that fit the row of a tag."""
    row = CONCRETE[tag]
    vr = DICTIONARY.get(tag, (b"",))[0]
    if Option.MODIFIED_DATES in row.options and tag in reviewed.PUBLIC_VERSIONS:
        return {Act.VERSION}
    if Option.MODIFIED_DATES in row.options and vr in (b"DA", b"DT", b"TM"):
        return {Act.TIME if vr == b"TM" else Act.DATE}
    if row.basic == "D" and vr == b"UI":
        return {Act.UID}
    return EXPECTED[row.basic]


def test_every_row_has_its_act() -> None:
    for tag in CONCRETE:
        rule = explain(BASIC, tag)
        assert rule.source.startswith("E.1-1"), f"{tag:08X}"
        assert tag in SPECIAL or rule.act in expected(tag), f"{tag:08X}"
    assert len(CONCRETE) == 652


def test_without_the_option_dates_follow_the_basic_profile() -> None:
    plain = Profile(name="plain")
    assert explain(plain, 0x00080020).act is Act.EMPTY
    assert explain(plain, 0x00080022).act is Act.EMPTY
    assert explain(plain, 0x00080012).act is Act.DUMMY
    assert digest(plain) != digest(BASIC)


def test_review_adds_only_what_the_table_lacks() -> None:
    assert not set(reviewed.ADDED) & set(CONCRETE)
    assert all(tag in DICTIONARY for tag in reviewed.ADDED)
    assert set(reviewed.SEQUENCES) <= set(CONCRETE)


def test_patient_birth_date_is_emptied_not_moved() -> None:
    assert explain(BASIC, 0x00100030).act is Act.EMPTY


def test_nothing_of_free_text_is_kept() -> None:
    kept = {tag for tag, rule in compiled(BASIC).rules.items() if rule.act is Act.KEEP}
    free = {tag for tag in kept if DICTIONARY[tag][0] in (b"PN", b"LT", b"ST", b"UT", b"UC", b"UR", b"AE")}
    assert free == reviewed.KEPT_TEXT
    assert not {tag for tag in kept if tag >> 16 & 1 or tag >> 16 in (0, 2, 4) or tag >> 24 in (0x50, 0x60)}


def test_unknown_attributes_are_removed() -> None:
    for tag in (0x00181FFE, 0x12341234, 0x60000022, 0x50002500, 0x00041500, 0x00080000):
        assert explain(BASIC, tag).act is Act.DROP
