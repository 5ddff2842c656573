"""Types of attributes per SOP class as data: what the conditional actions of PS3.15 E.1-1 depend on.

Usage: python scripts/generate_attribute_types.py
Reads the tables of PS3.3 and PS3.6 that highdicom (a development dependency) brings along, and the tables of PS3.15
that generate_deidentification_tables.py has written. Only attributes with an action that depends on the Type are kept.
"""

import json
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydicom.datadict import keyword_for_tag

TARGET = Path(__file__).parents[1] / "deidentification/standard/data"
ORIGIN = (
    "Facts of DICOM {parts}, taken from the tables that highdicom {version} (MIT) reads from the Standard. DICOM is "
    "published and copyrighted by NEMA (National Electrical Manufacturers Association); the official text is at "
    "dicom.nema.org and prevails over this extract."
)
# Type 1C and 2C are treated as 1 and 2: whether the condition holds cannot be told from one object.
DEMAND = {"1": 1, "1C": 1, "2": 2, "2C": 2, "3": 3}


def standard(name: str) -> Any:
    """One of highdicom's tables."""
    return json.loads((files("highdicom") / "_standard" / name).read_text(encoding="utf-8"))


def wanted() -> dict[str, int]:
    """Keyword -> tag of the attributes whose action depends on the Type: Z, and every action with a choice."""
    rows = json.loads((TARGET / "attributes.json").read_text(encoding="utf-8"))["rows"]
    tags = {int(row["tag"], 16) for row in rows if row["basic"] == "Z" or "/" in row["basic"]}
    return {keyword_for_tag(tag): tag for tag in tags}


def demanding(uses: Iterable[tuple[int, bool, int]]) -> dict[str, list[int | None]]:
    """Tag -> [Type at the top level, most demanding Type in any item]; None: the IOD has it not there."""
    found: dict[int, list[int | None]] = {}
    for tag, nested, demand in uses:
        held = found.setdefault(tag, [None, None])
        known = held[nested]
        held[nested] = demand if known is None else min(known, demand)
    return {f"{tag:08X}": found[tag] for tag in sorted(found)}


def uses(
    modules: list[dict[str, str]], attributes: dict[str, Any], tags: dict[str, int]
) -> Iterator[tuple[int, bool, int]]:
    """Every place of an IOD's modules where one of the wanted attributes stands: tag, nested, demand."""
    for module in modules:
        for entry in attributes.get(module["key"], ()):
            if entry["keyword"] in tags and entry["type"] in DEMAND:
                yield tags[entry["keyword"]], bool(entry["path"]), DEMAND[entry["type"]]


def types() -> dict[str, Any]:
    """The distinct sets of Types, and which SOP class has which."""
    modules, attributes, tags = standard("iod_module_map.json"), standard("module_attribute_map.json"), wanted()
    sets: dict[str, dict[str, list[int | None]]] = {}
    classes: dict[str, str] = {}
    for uid, iod in sorted(standard("sop_class_iod_map.json").items()):
        sets.setdefault(iod, demanding(uses(modules[iod], attributes, tags)))
        classes[uid] = iod
    return {"iods": sets, "sop_classes": classes}


def write(name: str, parts: str, content: dict[str, Any]) -> None:
    """One JSON file with its origin; one entry a line so that a new edition reads as a diff."""
    origin = ORIGIN.format(parts=parts, version=version("highdicom"))
    blocks = [f' "origin": {json.dumps(origin)}']
    for key, entries in content.items():
        if isinstance(entries, dict):
            lines = [f"  {json.dumps(inner)}: {json.dumps(value)}" for inner, value in sorted(entries.items())]
            blocks.append(f' "{key}": {{\n' + ",\n".join(lines) + "\n }")
        else:
            lines = [f"  {json.dumps(value)}" for value in entries]
            blocks.append(f' "{key}": [\n' + ",\n".join(lines) + "\n ]")
    (TARGET / name).write_text("{\n" + ",\n".join(blocks) + "\n}\n", encoding="utf-8")
    print(f"{name}: " + ", ".join(f"{len(entries)} {key}" for key, entries in content.items()))


def main() -> None:
    """Generate both files."""
    write("types.json", "PS3.3 and PS3.6", types())
    write("body_parts.json", "PS3.16 Annex L", {"terms": sorted(standard("anatomic_regions.json"))})


if __name__ == "__main__":
    main()
