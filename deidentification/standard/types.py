"""The Type (PS3.5 7.4) of attributes per SOP class, for those whose action depends on it."""

import json
from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files
from typing import NamedTuple


class Types(NamedTuple):
    """Tag -> Type 1, 2 or 3 at the top level, and the most demanding one inside any item; 1C counts as 1, 2C as 2."""

    top: Mapping[int, int]
    nested: Mapping[int, int]


UNKNOWN = Types({}, {})


@lru_cache(maxsize=1)
def _loaded() -> tuple[dict[str, Types], dict[str, str]]:
    content = json.loads((files(__package__) / "data" / "types.json").read_text(encoding="utf-8"))
    iods = {
        name: Types(*({int(tag, 16): pair[place] for tag, pair in uses.items() if pair[place]} for place in (0, 1)))
        for name, uses in content["iods"].items()
    }
    return iods, content["sop_classes"]


def of_sop_class(sop_class: str) -> Types:
    """The Types in the IOD of a SOP class; empty for a class that the Standard's tables do not have."""
    iods, classes = _loaded()
    return iods[classes[sop_class]] if sop_class in classes else UNKNOWN


def sop_classes() -> Mapping[str, str]:
    """SOP Class UID -> name of its IOD, for every class whose Types are known."""
    return _loaded()[1]


@lru_cache(maxsize=1)
def body_parts() -> tuple[str, ...]:
    """The defined terms of Body Part Examined (PS3.16 Annex L)."""
    content = json.loads((files(__package__) / "data" / "body_parts.json").read_text(encoding="utf-8"))
    return tuple(content["terms"])
