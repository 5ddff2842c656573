"""Where an attribute stands in a dataset: keywords and tags, a way into sequences, private elements by their creator.

SeriesDescription                     (0008,103E)            0008,103E
RequestAttributesSequence.ScheduledProcedureStepID           of any item
(0040,0275)[0].(0040,0007)                                   of the first item
(0019,xx0A,"SIEMENS MR HEADER")                              wherever the creator has its block
"""

import re
from dataclasses import dataclass
from typing import Final

from pydicom.datadict import keyword_for_tag, tag_for_keyword

STEP: Final = re.compile(
    r"""(?: (?P<keyword>[A-Za-z][A-Za-z0-9]*)
        | \(?(?P<group>[0-9A-Fa-f]{4}),\s?(?P<element>[0-9A-Fa-f]{4})\)?
        | \((?P<odd>[0-9A-Fa-f]{3}[13579BDFbdf]),xx(?P<last>[0-9A-Fa-f]{2}),"(?P<creator>[^"\\\x00-\x1f]{1,64})"\)
        )(?:\[(?P<item>[0-9]{1,4})\])?(?:\.|$)""",
    re.VERBOSE,
)
DEEPEST: Final = 8


@dataclass(frozen=True)
class Step:
    """An element, of a private block if a creator is named, and which item of it (None: any)."""

    tag: int
    creator: str | None = None
    item: int | None = None


def steps(path: str) -> list[Step]:
    """The way to an attribute, outermost first; ValueError says what is wrong with it."""
    found: list[Step] = []
    at = 0
    while at < len(path):
        step = STEP.match(path, at)
        if step is None:
            raise ValueError(f"what stands at {at + 1} is no keyword and no tag")
        found.append(_step(step))
        at = step.end()
    if not found or path.endswith("."):
        raise ValueError("names no attribute")
    if len(found) > DEEPEST:
        raise ValueError(f"goes deeper than {DEEPEST} levels")
    return found


def keyword(path: str) -> str | None:
    """The keyword of an attribute at the top level that the dictionary knows."""
    way = steps(path)
    return keyword_for_tag(way[0].tag) or None if len(way) == 1 and way[0].creator is None else None


def _step(step: re.Match[str]) -> Step:
    item = int(step["item"]) if step["item"] is not None else None
    if step["keyword"] is not None:
        tag = tag_for_keyword(step["keyword"])
        if tag is None:
            raise ValueError(f"{step['keyword']} is no keyword of the data dictionary")
        return Step(int(tag), None, item)
    if step["creator"] is not None:
        return Step(int(step["odd"] + "00" + step["last"], 16), step["creator"], item)
    return Step(int(step["group"] + step["element"], 16), None, item)
