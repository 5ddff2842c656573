"""How the images of a series become one description, whatever their order and however often they come."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from services.indexer.headers.fields import IDENTIFYING
from services.indexer.headers.values import number

LATEST = frozenset({"MeasID"})
DIFFUSION = "siemensDiffusionInformation"
NOT_CATALOGUED = IDENTIFYING | {DIFFUSION, "ClassifyType", "NumFiles"}


def merge_fields(current: Mapping[str, Any], images: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The series' fields: of the first image that has them, but for the least SliceLocation, the latest MeasID
    and the list of diffusion entries, one per instance."""
    merged = dict(current)
    for image in images:
        for name, value in image.items():
            if name == DIFFUSION:
                merged[name] = _union(merged.get(name), value)
            elif name not in merged or name in LATEST or (name == "SliceLocation" and _lower(value, merged[name])):
                merged[name] = value
    return merged


def _lower(value: Any, than: Any) -> bool:
    new, old = number(value), number(than)
    return new is not None and (old is None or new < old)


def _union(current: Any, entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    known = current if isinstance(current, list) else []
    by_instance = {each.get("SOPInstanceUID"): each for each in (*known, *entries) if isinstance(each, dict)}
    return list(by_instance.values())


def catalogued(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The part of the fields that the catalogue keeps: nothing that identifies, nothing that grows."""
    return {name: value for name, value in fields.items() if name not in NOT_CATALOGUED}


class Types(NamedTuple):
    """The types of a series, and the SeriesLevel types that an image has taken away from it for good."""

    types: list[str]
    refused: list[str]


def merge_types(current: Types, found: Iterable[tuple[Iterable[str], Iterable[str]]]) -> Types:
    """Types add up over images; one that a SeriesLevel rule refused once never comes back."""
    types, refused = dict.fromkeys(current.types), dict.fromkeys(current.refused)
    for more, less in found:
        types.update(dict.fromkeys(more))
        refused.update(dict.fromkeys(less))
    return Types([each for each in types if each not in refused], list(refused))


def series_json(
    on_disk: Mapping[str, Any], images: Iterable[Mapping[str, Any]], types: Iterable[str], files: int
) -> dict[str, Any]:
    """The content of `raw/<Study>/<Series>.json`: what it said, and what these images add."""
    merged = merge_fields(on_disk, images)
    merged.setdefault(DIFFUSION, [])
    return merged | {"ClassifyType": list(types), "NumFiles": str(files)}
