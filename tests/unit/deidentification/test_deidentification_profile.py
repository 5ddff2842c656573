"""The compiled profile says what the Standard's rows say, and the review adds only what no row has."""

from deidentification import BASIC, BUILT_IN, Option, Profile
from deidentification.profiles import digest, explain
from deidentification.profiles.compiled import compiled, rows
from deidentification.profiles.rules import Act
from deidentification.standard import reviewed
from deidentification.standard.dictionary import DICTIONARY, KEYWORDS


def test_every_row_is_explained_by_the_table() -> None:
    assert len(rows()) == 652
    assert {tag for tag in rows() if not explain(BASIC, tag).source.startswith("E.1-1")} == set()


def test_without_the_option_dates_follow_the_basic_profile() -> None:
    plain = Profile(name="plain")
    assert explain(plain, 0x00080020).act is Act.EMPTY
    assert explain(plain, 0x00080022).act is Act.EMPTY
    assert explain(plain, 0x00080012).act is Act.DUMMY
    assert digest(plain) != digest(BASIC)


def test_without_the_option_no_date_at_all_is_moved_or_kept() -> None:
    acts = {rule.act for tag, rule in compiled(Profile(name="plain")).rules.items()
            if rule.vrs and rule.vrs[0] in (b"DA", b"DT", b"TM")}  # fmt: skip
    assert acts == {Act.DROP, Act.EMPTY, Act.DUMMY}


def test_review_adds_only_what_the_table_lacks() -> None:
    assert not set(reviewed.ADDED) & set(rows())
    assert all(tag in DICTIONARY for tag in reviewed.ADDED)
    assert set(reviewed.CLEANED) <= set(reviewed.ADDED) | set(rows())
    assert set(reviewed.DUMMY_CODES) <= set(rows())


def test_what_the_review_cleans_is_cleaned_by_its_option_only() -> None:
    for tag, option in reviewed.CLEANED.items():
        assert explain(Profile(name="x", options=frozenset((option,))), tag).act is Act.CLEAN, KEYWORDS[tag]
        assert explain(BASIC, tag).act is not Act.CLEAN


def test_every_row_has_a_vr_and_a_keyword() -> None:
    assert all(tag in DICTIONARY and tag in KEYWORDS for tag in rows())


def test_patient_birth_date_is_emptied_not_moved() -> None:
    assert explain(BASIC, 0x00100030).act is Act.EMPTY


def test_nothing_of_free_text_is_kept() -> None:
    kept = {tag for tag, rule in compiled(BASIC).rules.items() if rule.act is Act.KEEP}
    free = {tag for tag in kept if DICTIONARY[tag][0] in (b"PN", b"LT", b"ST", b"UT", b"UC", b"UR", b"AE")}
    assert free == reviewed.KEPT_TEXT
    assert not {tag for tag in kept if tag >> 16 & 1 or tag >> 16 in (0, 2, 4) or tag >> 24 in (0x50, 0x60)}


def test_free_text_that_no_row_lists_is_cleaned_when_descriptors_are() -> None:
    before, after = compiled(BASIC), compiled(Profile(name="x", options=BASIC.options | {Option.DESCRIPTORS}))
    changed = {tag for tag, rule in after.rules.items() if rule.act is not before.rules[tag].act} - set(rows())
    assert {after.rules[tag].act for tag in changed} == {Act.CLEAN}
    assert len(changed) > 100


def test_unknown_attributes_are_removed() -> None:
    for tag in (0x00181FFE, 0x12341234, 0x60000022, 0x50002500, 0x00041500, 0x00080000):
        assert explain(BASIC, tag).act is Act.DROP


def test_pixel_data_is_explained_with_the_pixel_policy() -> None:
    assert "held in quarantine" in explain(BASIC, 0x7FE00010).sentence
    assert "Burned-in text is hidden in ultrasound" in explain(BUILT_IN["fiona"], 0x7FE00010).sentence
    assert "quarantine" not in explain(BASIC, 0x00100010).sentence
