"""The generated tables are the Standard's: counts as published, actions as another project read them."""

from collections import Counter

from dicomanonymizer.dicom_anonymization_databases import dicomfields_2026c

from deidentification.standard import tables, types
from deidentification.standard.tables import Option


def test_attribute_table_has_the_published_counts() -> None:
    rows = tables.attributes()
    assert len(rows) == 656
    assert Counter(row.basic for row in rows) == {
        "X": 416, "D": 93, "U": 55, "Z": 42, "X/D": 23, "X/Z": 11, "X/Z/D": 8, "Z/D": 6, "X/Z/U*": 2,
    }  # fmt: skip
    assert Counter((option, code) for row in rows for option, code in row.options.items()) == {
        (Option.UIDS, "K"): 60,
        (Option.DEVICE, "K"): 48,
        (Option.DEVICE, "C"): 11,
        (Option.INSTITUTION, "K"): 10,
        (Option.PATIENT_CHARACTERISTICS, "K"): 14,
        (Option.PATIENT_CHARACTERISTICS, "C"): 5,
        (Option.FULL_DATES, "K"): 169,
        (Option.MODIFIED_DATES, "C"): 169,
        (Option.DESCRIPTORS, "C"): 140,
        (Option.STRUCTURED_CONTENT, "C"): 4,
        (Option.GRAPHICS, "C"): 4,
        (Option.SAFE_PRIVATE, "C"): 1,
    }


def test_other_tables_have_the_published_counts() -> None:
    assert len(tables.action_codes()) == 11
    assert len(tables.concepts()) == 214
    safe = tables.safe_private()
    assert len(safe) == 479
    assert len({row.creator for row in safe}) == 20
    assert tables.edition() == "2026c"


def test_types_and_terms_have_the_counts_of_their_source() -> None:
    """What scripts/generate_attribute_types.py wrote: classes of PS3.3, terms of PS3.16 Annex L."""
    assert len(types.sop_classes()) == 180
    assert len(set(types.sop_classes().values())) == 171
    assert len(types.body_parts()) == 317
    assert all(part.isalnum() and part == part.upper() and len(part) <= 16 for part in types.body_parts())
    demands = [types.of_sop_class(sop_class) for sop_class in types.sop_classes()]
    assert {demand for known in demands for level in known for demand in level.values()} == {1, 2, 3}


def test_patterns_are_the_four_that_the_standard_has() -> None:
    patterns = {row.tag for row in tables.attributes() if not all(c in "0123456789ABCDEF" for c in row.tag)}
    assert patterns == {"50xxxxxx", "60xx3000", "60xx4000", "ggggeeee"}


def test_basic_actions_agree_with_dicom_anonymizer() -> None:
    names = {
        "D": "D_TAGS", "Z": "Z_TAGS", "X": "X_TAGS", "U": "U_TAGS", "Z/D": "Z_D_TAGS", "X/Z": "X_Z_TAGS",
        "X/D": "X_D_TAGS", "X/Z/D": "X_Z_D_TAGS", "X/Z/U*": "X_Z_U_STAR_TAGS",
    }  # fmt: skip
    for code, name in names.items():
        theirs = {f"{entry[0]:04X}{entry[1]:04X}" for entry in getattr(dicomfields_2026c, name) if len(entry) == 2}
        ours = {row.tag for row in tables.attributes() if row.basic == code and row.tag.isalnum()}
        ours = {tag for tag in ours if "x" not in tag and "g" not in tag}
        assert ours == theirs, code
