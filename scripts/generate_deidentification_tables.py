"""PS3.15 Annex E as data: read NEMA's DocBook, write the tables the de-identification engine compiles.

Usage: python scripts/generate_deidentification_tables.py PART15.xml
The XML is the one NEMA publishes with each edition (part15.xml in its docbook folder).
"""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

DOCBOOK = "{http://docbook.org/ns/docbook}"
XML_ID = "{http://www.w3.org/XML/1998/namespace}id"
EDITION = re.compile(r"20\d\d[a-e]")
NOTICE = (
    "Table {table} of DICOM PS3.15 {edition}, Security and System Management Profiles. DICOM is published and "
    "copyrighted by NEMA (National Electrical Manufacturers Association); the official text is at "
    "dicom.nema.org and prevails over this extract."
)
TARGET = Path(__file__).parents[1] / "deidentification/standard/data"
OPTIONS = (
    "retain-safe-private",
    "retain-uids",
    "retain-device-identity",
    "retain-institution-identity",
    "retain-patient-characteristics",
    "retain-full-dates",
    "retain-modified-dates",
    "clean-descriptors",
    "clean-structured-content",
    "clean-graphics",
)
CONCEPT_OPTIONS = (
    "retain-uids",
    "retain-device-identity",
    "retain-institution-identity",
    "retain-patient-characteristics",
    "retain-full-dates",
    "retain-modified-dates",
    "clean-descriptors",
)


def rows(root: ElementTree.Element, label: str) -> Iterator[list[str]]:
    """The body rows of one table, each cell's text with its white space folded."""
    for table in root.iter(f"{DOCBOOK}table"):
        if table.get(XML_ID) == f"table_{label}":
            for row in table.iter(f"{DOCBOOK}tr"):
                cells = [" ".join("".join(cell.itertext()).split()) for cell in row if cell.tag == f"{DOCBOOK}td"]
                if cells:
                    yield [cell.replace("\u200b", "") for cell in cells]


def tag(text: str) -> str:
    """'(0008,0050)' -> '00080050'; patterns keep their x: '50xxxxxx', 'ggggeeee' for any private attribute."""
    return text.split(" ")[0].strip("()").replace(",", "").upper().replace("X", "x").replace("G", "g")


def attributes(root: ElementTree.Element) -> list[dict[str, Any]]:
    """E.1-1: one row per attribute with the Basic action and the non-empty option columns."""
    return [
        {
            "tag": "ggggeeee" if "odd" in cells[1] else tag(cells[1]),
            "name": cells[0],
            "retired": cells[2] == "Y",
            "in_standard_iod": cells[3] == "Y",
            "basic": cells[4],
            "options": {name: code for name, code in zip(OPTIONS, cells[5:], strict=True) if code},
        }
        for cells in rows(root, "E.1-1")
    ]


def concepts(root: ElementTree.Element) -> list[dict[str, Any]]:
    """E.3.4-1: structured-report concepts with their Basic action and option columns."""
    return [
        {
            "name": cells[0],
            "code": cells[1],
            "scheme": cells[2],
            "value_type": cells[3],
            "basic": cells[6],
            "options": {name: code for name, code in zip(CONCEPT_OPTIONS, cells[7:], strict=True) if code},
        }
        for cells in rows(root, "E.3.4-1")
    ]


def safe_private(root: ElementTree.Element) -> list[dict[str, Any]]:
    """E.3.10-1: private elements known to be safe, by group, creator and element byte."""
    return [
        {"tag": tag(cells[0]), "creator": cells[1], "vr": cells[2], "vm": cells[3], "name": cells[4]}
        for cells in rows(root, "E.3.10-1")
    ]


def action_codes(root: ElementTree.Element) -> list[dict[str, Any]]:
    """E.1-1a: the meaning of each action code."""
    return [{"code": cells[0], "meaning": cells[1]} for cells in rows(root, "E.1-1a")]


def write(name: str, table: str, edition: str, content: list[dict[str, Any]]) -> None:
    """One JSON file, one row per line so that a new edition reads as a diff."""
    lines = ",\n  ".join(json.dumps(row, ensure_ascii=False) for row in content)
    notice = json.dumps(NOTICE.format(table=table, edition=edition))
    head = f'"table": "{table}",\n "edition": "{edition}",\n "notice": {notice}'
    (TARGET / name).write_text(f'{{{head},\n "rows": [\n  {lines}\n]}}\n', encoding="utf-8")
    print(f"{name}: {len(content)} rows")


def main(source: Path) -> None:
    """Generate all tables from one edition's part15.xml."""
    root = ElementTree.parse(source).getroot()
    title = next("".join(node.itertext()) for node in root.iter(f"{DOCBOOK}subtitle"))
    found = EDITION.search(title)
    if not found:
        raise SystemExit("no edition in the document's subtitle")
    TARGET.mkdir(parents=True, exist_ok=True)
    write("attributes.json", "E.1-1", found[0], attributes(root))
    write("action_codes.json", "E.1-1a", found[0], action_codes(root))
    write("concepts.json", "E.3.4-1", found[0], concepts(root))
    write("safe_private.json", "E.3.10-1", found[0], safe_private(root))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    main(Path(sys.argv[1]))
