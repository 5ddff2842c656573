"""Every row of E.1-1 under every option and every Type: what is compiled is what the table's own words ask for.

The resolver here reads the generated table as text and knows nothing of the engine's.
"""

import json
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from deidentification import Option, Profile
from deidentification.profiles.compiled import compiled
from deidentification.profiles.model import Pixels
from deidentification.profiles.resolving import of_row
from deidentification.profiles.rules import Act
from deidentification.standard import tables, types
from deidentification.standard.dictionary import DICTIONARY

TABLE = json.loads((Path(tables.__file__).parent / "data" / "attributes.json").read_text())
ROWS: dict[int, dict[str, Any]] = {
    int(row["tag"], 16): row for row in TABLE["rows"] if set(row["tag"]) <= set("0123456789ABCDEF")
}
COLUMNS = sorted({name for row in TABLE["rows"] for name in row["options"]})
SINGLES = [(), *((name,) for name in COLUMNS)]
EXCLUSIVE = {"retain-full-dates", "retain-modified-dates"}
PAIRS = [pair for pair in combinations(COLUMNS, 2) if set(pair) != EXCLUSIVE]
ALL = [tuple(name for name in COLUMNS if name != exclusive) for exclusive in sorted(EXCLUSIVE)]
TYPES = (0, 1, 2, 3)

TEXT = {"CS", "LO", "LT", "SH", "ST", "UC", "UT"}
ENGINE_OWN = {0x00420011}  # Encapsulated Document: what becomes of it is a policy
REVIEWED = {0x00700006}  # Unformatted Text Value: text annotation, cleaned by Clean Graphics (E.3.3)
PUBLIC_CONSTANTS = {0x00080106, 0x00080107, 0x0040DB06, 0x0040DB07}
ONE_CODE = {0x00080082, 0x00401101}


def vr_of(tag: int) -> str:
    """The first VR of the data dictionary."""
    return DICTIONARY[tag][0].decode()


def basic_act(tag: int, code: str, demand: int) -> Act:
    """The Basic column, with '/' resolved by the Type; an unknown Type gets what is valid for all of them."""
    vr, choices = vr_of(tag), code.split("/")
    if "U*" in choices:
        return Act.WALK
    if demand == 3:
        chosen = choices[0]
    elif demand == 2:
        chosen = "Z" if "Z" in choices else choices[-1]
    else:
        chosen = "D" if "D" in choices or (demand == 1 and "Z" in choices) else choices[-1]
    if vr == "SQ" and chosen == "D":
        return Act.CODE if tag in ONE_CODE else Act.WALK
    if vr == "UI" and chosen == "D":
        return Act.UID
    return {"X": Act.DROP, "Z": Act.EMPTY, "D": Act.DUMMY, "U": Act.UID}[chosen]


def kept_act(tag: int, vr: str, dates: bool) -> Act:
    """K: unchanged, sequences walked; ages over 89 do not stay, and dates are dates."""
    if vr in ("DA", "DT"):
        return Act.DATE if dates and tag not in PUBLIC_CONSTANTS else Act.VERSION
    return {"SQ": Act.WALK, "AS": Act.AGE, "TM": Act.TIME}.get(vr, Act.KEEP)


def cleaned_act(tag: int, vr: str) -> Act | None:
    """C: moved, read, walked or hashed; None where bytes cannot be cleaned."""
    if vr in ("DA", "DT"):
        return Act.VERSION if tag in PUBLIC_CONSTANTS else Act.DATE
    if vr in TEXT and tag != 0x00080201:
        return Act.CLEAN
    return {"SQ": Act.WALK, "AS": Act.AGE, "TM": Act.TIME, "AE": Act.HASH}.get(vr)


def expected(tag: int, options: tuple[str, ...], demand: int) -> Act:
    """The act that the table's row asks for."""
    row, vr = ROWS[tag], vr_of(tag)
    if tag >> 16 in (0x0000, 0x0002, 0x0004):  # commands, File Meta and directories are no part of a dataset
        return Act.DROP
    basic = basic_act(tag, row["basic"], demand)
    columns = {name: row["options"][name] for name in options if name in row["options"]}
    if tag in REVIEWED and "clean-graphics" in options:
        return Act.CLEAN
    if "retain-modified-dates" in columns:  # beside Retain Device Identity: what moves goes before what stays
        return cleaned_act(tag, vr) or basic
    if not columns:
        return basic
    if "C" in columns.values():
        return cleaned_act(tag, vr) or basic
    return kept_act(tag, vr, "retain-full-dates" in columns)


def profile_of(options: tuple[str, ...]) -> Profile:
    """A profile of these options and nothing else."""
    return Profile(name="generated", options=frozenset(Option(name) for name in options))


@pytest.mark.parametrize("options", [*SINGLES, *PAIRS, *ALL], ids="+".join)
def test_every_row_under_every_type(options: tuple[str, ...]) -> None:
    chosen = frozenset(Option(name) for name in options)
    rows = {int(row.tag, 16): row for row in tables.attributes() if row.tag in {f"{tag:08X}" for tag in ROWS}}
    wrong = {
        f"{tag:08X} Type {demand}": (act.name, wanted.name)
        for tag, row in rows.items()
        for demand in TYPES
        if (act := of_row(tag, row, chosen, demand).act) is not (wanted := expected(tag, options, demand))
    }
    assert not wrong
    assert len(rows) == 652


@pytest.mark.parametrize("options", [*SINGLES, *ALL], ids="+".join)
def test_every_row_is_compiled_at_every_level(options: tuple[str, ...]) -> None:
    """The whole profile, for objects of classes with and without known Types."""
    for sop_class in ("", "1.2.3.4", *CLASSES):
        found, known = compiled(profile_of(options), sop_class.encode()), TYPES_OF.get(sop_class, {})
        for rules, level in ((found.rules, 0), (found.nested, 1)):
            wrong = {
                f"{tag:08X}": rules[tag].act.name
                for tag in ROWS
                if tag not in ENGINE_OWN
                if rules[tag].act is not expected(tag, options, known.get(tag, (0, 0))[level])
            }
            assert not wrong, (sop_class, level)


def highdicom_types(sop_class: str) -> dict[int, tuple[int, int]]:
    """Types of one class, read again from the tables that the generated file was made of."""
    from importlib.resources import files

    from pydicom.datadict import tag_for_keyword

    def read(name: str) -> Any:
        return json.loads((files("highdicom") / "_standard" / name).read_text())

    modules, attributes = read("iod_module_map.json"), read("module_attribute_map.json")
    found: dict[int, list[int]] = {}
    for module in modules[read("sop_class_iod_map.json")[sop_class]]:
        for entry in attributes.get(module["key"], []):
            tag = tag_for_keyword(entry["keyword"])
            basic = ROWS[tag]["basic"] if tag in ROWS else ""
            if tag is not None and (basic == "Z" or "/" in basic) and entry["type"] != "None":
                held, level = found.setdefault(tag, [0, 0]), bool(entry["path"])
                demand = int(entry["type"][0])
                held[level] = demand if not held[level] else min(held[level], demand)
    return {tag: (top, nested) for tag, (top, nested) in found.items()}


CLASSES = {
    "1.2.840.10008.5.1.4.1.1.2": "CT Image",
    "1.2.840.10008.5.1.4.1.1.4.1": "Enhanced MR Image",
    "1.2.840.10008.5.1.4.1.1.128": "PET Image",
    "1.2.840.10008.5.1.4.1.1.88.33": "Comprehensive SR",
    "1.2.840.10008.5.1.4.1.1.481.3": "RT Structure Set",
    "1.2.840.10008.5.1.4.1.1.66.4": "Segmentation",
    "1.2.840.10008.5.1.4.1.1.11.1": "Grayscale Softcopy Presentation State",
    "1.2.840.10008.5.1.4.1.1.481.4": "RT Beams Treatment Record",
    "1.2.840.10008.5.1.4.1.1.77.1.6": "VL Whole Slide Microscopy Image",
}
TYPES_OF = {sop_class: highdicom_types(sop_class) for sop_class in CLASSES}


@pytest.mark.parametrize("sop_class", CLASSES, ids=CLASSES.get)
def test_types_are_those_of_the_standards_tables(sop_class: str) -> None:
    known = types.of_sop_class(sop_class)
    assert {
        tag: (known.top.get(tag, 0), known.nested.get(tag, 0)) for tag in known.top.keys() | known.nested.keys()
    } == (TYPES_OF[sop_class])


def test_types_cover_the_storage_classes() -> None:
    assert len(types.sop_classes()) == 180
    assert all(types.of_sop_class(sop_class).top for sop_class in CLASSES)
    assert types.of_sop_class("1.2.3") == types.UNKNOWN


@pytest.mark.parametrize(
    ("sop_class", "tag", "top", "nested"),
    [
        # Operators' Name (X/Z/D): Type 3 in a CT, Type 2 in an RT record, so once removed and once empty.
        ("1.2.840.10008.5.1.4.1.1.2", 0x00081070, Act.DROP, Act.DROP),
        ("1.2.840.10008.5.1.4.1.1.481.4", 0x00081070, Act.EMPTY, Act.EMPTY),
        # Device Serial Number (X/Z/D): Type 1 in an Enhanced MR.
        ("1.2.840.10008.5.1.4.1.1.4.1", 0x00181000, Act.DUMMY, Act.EMPTY),
        # Institution Name (X/Z/D): Type 3 at the top, Type 1C where a person or a device is identified.
        ("1.2.840.10008.5.1.4.1.1.2", 0x00080080, Act.DROP, Act.DUMMY),
        # Source Image Sequence (X/Z/U*): Type 2 in a derivation, and the reference has to hold.
        ("1.2.840.10008.5.1.4.1.1.66.4", 0x00082112, Act.WALK, Act.WALK),
        # Content Date (Z/D): Type 2 in a CT, Type 1 in a Segmentation.
        ("1.2.840.10008.5.1.4.1.1.2", 0x00080023, Act.EMPTY, Act.DUMMY),
        ("1.2.840.10008.5.1.4.1.1.66.4", 0x00080023, Act.DUMMY, Act.DUMMY),
    ],
)
def test_known_cases(sop_class: str, tag: int, top: Act, nested: Act) -> None:
    found = compiled(Profile(name="plain"), sop_class.encode())
    assert (found.rules[tag].act, found.nested[tag].act) == (top, nested)


def test_safe_private_and_patterns_are_groups_of_the_engine() -> None:
    """The four rows without a tag of their own: private elements, curves, overlay data and comments."""
    patterns = [row["tag"] for row in TABLE["rows"] if not set(row["tag"]) <= set("0123456789ABCDEF")]
    assert len(patterns) == 4
    for options in (*SINGLES, *ALL):
        found = compiled(profile_of(options))
        kept = [
            tag for tag, rule in found.rules.items() if tag >> 24 in (0x50, 0x60) and rule.act is not Act.REFUSE_BITS
        ]
        assert not kept
        assert not [tag for tag in found.rules if tag >> 16 & 1]
        assert bool(found.private) is ("retain-safe-private" in options)


def test_pixel_options_change_no_attribute() -> None:
    plain = compiled(Profile(name="plain"))
    pixels = compiled(Profile(name="plain", options=frozenset((Option.PIXELS,)), pixels=Pixels(images="all")))
    assert plain.rules == pixels.rules
