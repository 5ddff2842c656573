"""Structured reports: numbers, codes, geometry and references stay; texts go or are cleaned by their concept.

Which concepts go altogether, with what stands under them, says E.3.4-1. What refers to a content item by its place in
the tree is numbered anew, and goes when what it refers to is gone.
"""

from functools import lru_cache
from struct import pack, unpack
from typing import TYPE_CHECKING, Final

from deidentification.content import cleaners, codes
from deidentification.dataset.dummies import TEXT
from deidentification.dataset.encoding import Encoding, element
from deidentification.dataset.memory import Element
from deidentification.dataset.reader import elements
from deidentification.profiles.rules import Compiled
from deidentification.standard.tables import ConceptRow, concepts

if TYPE_CHECKING:
    from deidentification.dataset.context import Context, Path

CONTENT_SEQUENCE, CONCEPT_NAME, TEXT_VALUE = 0x0040A730, 0x0040A043, 0x0040A160
REFERENCED_ITEM: Final = 0x0040DB73
ROOT: Final = (1,)
# Ages of people, and the most of each unit that is no identifier; a larger one is emptied.
AGES: Final = frozenset(((b"121033", b"DCM"), (b"30525-0", b"LN"), (b"397669002", b"SCT"), (b"424144002", b"SCT")))
MEASURED, NUMERIC_VALUE, FLOATING_VALUE = 0x0040A300, 0x0040A30A, 0x0040A161
OLDEST_OF_ANY: Final = 89.0
OLDEST: Final = {b"SH\2\0mo": 1079.0, b"SH\2\0wk": 4695.0, b"SH\2\0d ": 32872.0}
LONGEST_PATH: Final = 128


@lru_cache(maxsize=1)
def _rows() -> dict[tuple[bytes, bytes], dict[str, ConceptRow]]:
    """Concept -> value type -> its row: what holds for an age as a number does not hold for one as text."""
    rows: dict[tuple[bytes, bytes], dict[str, ConceptRow]] = {}
    for row in concepts():
        rows.setdefault((row.code.encode(), row.scheme.encode()), {})[row.value_type] = row
    return rows


def concept(chunks: dict[int, bytes], target: Encoding) -> tuple[bytes, bytes]:
    """Code and scheme of an item's concept name; empty where it has none."""
    code = _first_item(chunks.get(CONCEPT_NAME, b""), target, (codes.VALUE, codes.SCHEME))
    return code.get(codes.VALUE, b"").strip(b"\0 "), code.get(codes.SCHEME, b"").strip(b"\0 ")


def _first_item(chunk: bytes, target: Encoding, wanted: tuple[int, ...]) -> dict[int, bytes]:
    """The values of a rewritten sequence's item."""
    start = (8 if target.implicit else 12) + 8
    return elements(chunk, target, start, wanted) if len(chunk) > start else {}


def _is_too_old(chunk: bytes, target: Encoding) -> bool:
    """Whether the Measured Value Sequence of an age says more than 89 years, or what cannot be told."""
    measured = _first_item(chunk, target, (NUMERIC_VALUE, FLOATING_VALUE))
    try:
        numbers = [float(part) for part in measured.get(NUMERIC_VALUE, b"").strip(b"\0 ").split(b"\\") if part]
    except ValueError:
        return True
    if FLOATING_VALUE in measured:
        numbers += unpack("<d" if target.little else ">d", measured[FLOATING_VALUE][:8])
    unit = next((limit for code, limit in OLDEST.items() if code in chunk), OLDEST_OF_ANY)
    return any(not number <= unit for number in numbers)


def settled(context: "Context", chunks: list[Element], target: Encoding, charset: bytes) -> list[Element] | None:
    """A content item whose Text Value still is the source's, as it may be written; None: it goes with its subtree."""
    found = dict(chunks)
    name = concept(found, target)
    if name in context.profile.removed_concepts:
        return None
    changed: dict[int, bytes] = {}
    if TEXT_VALUE in found and CONTENT_SEQUENCE in context.within:
        value = found[TEXT_VALUE][8 if target.implicit else 12 :].rstrip(b"\0 ")
        changed[TEXT_VALUE] = element(TEXT_VALUE, b"UT", _text(context, name, value, charset), target)
    if name in AGES and _is_too_old(found.get(MEASURED, b""), target):
        changed[MEASURED] = element(MEASURED, b"SQ", b"", target)
    if REFERENCED_ITEM in found:
        renumbered = _renumbered(found[REFERENCED_ITEM], context.removed, target)
        if renumbered is None:
            return None
        changed[REFERENCED_ITEM] = renumbered
    return [(tag, changed.get(tag, chunk)) for tag, chunk in chunks] if changed else chunks


def _text(context: "Context", name: tuple[bytes, bytes], value: bytes, charset: bytes) -> bytes:
    """As the option of its row for texts says; a concept of no row is cleaned under Clean Structured Content.

    Anything else is a dummy: a text where the table has a number, a code, a date or a person.
    """
    if not value:
        return b""
    rows, profile = _rows().get(name), context.profile
    if rows is None:
        return (cleaners.text(context, b"UT", value, charset) if profile.structured else b"") or TEXT
    options = rows["TEXT"].options if "TEXT" in rows else {}
    codes_of_options = {code for option, code in options.items() if option in profile.profile.options}
    if "K" in codes_of_options:
        return value
    return (cleaners.text(context, b"UT", value, charset) if "C" in codes_of_options else b"") or TEXT


def _renumbered(chunk: bytes, removed: "frozenset[Path]", target: Encoding) -> bytes | None:
    """Referenced Content Item Identifier after `removed` items have gone; None when its target is one of them."""
    value, order = chunk[8:], "<" if target.little else ">"
    path = unpack(f"{order}{len(value) // 4}L", value[: len(value) // 4 * 4])
    if len(path) > LONGEST_PATH or any(path[:length] in removed for length in range(1, len(path) + 1)):
        return None
    places = [
        place - sum(gone[:-1] == path[:level] and gone[-1] < place for gone in removed if len(gone) == level + 1)
        for level, place in enumerate(path)
    ]
    return element(REFERENCED_ITEM, b"UL", pack(f"{order}{len(places)}L", *places), target)


def settles_text(profile: Compiled) -> bool:
    """Whether the concept decides over Text Value; a project's own rule for the attribute comes first."""
    return all(override.tag != TEXT_VALUE for override in profile.profile.attributes)
