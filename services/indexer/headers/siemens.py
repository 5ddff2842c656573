"""What only Siemens says, in its CSA headers (read by nibabel) and in the protocol text inside of them."""

import re
import warnings
from collections.abc import Callable
from typing import Any

from services.indexer.headers.header import Header

with warnings.catch_warnings():
    # Importing nibabel's DICOM part announces that it is experimental.
    warnings.simplefilter("ignore")
    from nibabel.nicom import csareader

_read: Callable[[bytes], dict[str, Any]] = csareader.read

CREATOR = "SIEMENS CSA HEADER"
BLOCKS = (0x10, 0x11, 0x12)
IMAGE, SERIES = 0x10, 0x20
TAGS = tuple(0x00290000 | block for block in BLOCKS) + tuple(
    0x00290000 | block << 8 | part for block in BLOCKS for part in (IMAGE, SERIES)
)
SIZE_LIMIT = 1 << 20
"""Bytes of a CSA header that are looked at; real ones stay below 200 KiB."""

_TEXTS = {
    "siemensUUID": "sWipMemBlock.tFree",
    "NumSlices": "sGroupArray.asGroup[0].nSize",
    "MeasID": "SequenceID",
}
"""Series JSON field -> the protocol's parameter that it repeats."""
_PARAMETERS = {
    field: re.compile(rf'{re.escape(name)}[ \t]*=[ \t]*"*(?P<value>[^"\r\n]+)') for field, name in _TEXTS.items()
}
_RELEASE = re.compile(r'sProtConsistencyInfo\.tMeasuredBaselineString[ \t]*=[ \t]*"*N4_([^_"\r\n]+)')
_DIFFUSION = ("B_value", "DiffusionDirectionality", "DiffusionGradientDirection")


def is_siemens(header: Header) -> bool:
    """By the manufacturer, or by whom the private block belongs to."""
    return "siemens" in header.first(0x00080070).lower() or _block(header) is not None


def series_fields(header: Header) -> dict[str, Any]:
    """The fields that the series CSA header gives: the same for all images of a series."""
    protocol = _first(_tags(header, SERIES), "MrPhoenixProtocol")
    if not isinstance(protocol, str):
        return {}
    fields = {
        field: found.group("value").strip()
        for field, pattern in _PARAMETERS.items()
        if (found := pattern.search(protocol))
    }
    if release := _RELEASE.search(protocol):
        fields["OSLevel"] = release.group(1)
    return fields


def image_fields(header: Header, sop_instance_uid: str, instance_number: str | None) -> dict[str, Any]:
    """The fields that an image's CSA header gives: phase encoding, and its diffusion entry if it has one."""
    tags = _tags(header, IMAGE)
    fields: dict[str, Any] = {}
    positive = _first(tags, "PhaseEncodingDirectionPositive")
    if positive is not None:
        fields["PhaseEncodingDirectionPositive"] = str(positive)
    diffusion = {name: shown for name in _DIFFUSION if (shown := _shown(tags, name)) is not None}
    if diffusion.get("DiffusionDirectionality"):
        diffusion["SOPInstanceUID"] = sop_instance_uid
        if instance_number:
            diffusion["InstanceNumber"] = instance_number
        fields["siemensDiffusionInformation"] = [diffusion]
    return fields


def _block(header: Header) -> int | None:
    for block in BLOCKS:
        if header.first(0x00290000 | block) == CREATOR:
            return block
    return None


def _tags(header: Header, part: int) -> dict[str, Any]:
    raw = header.bytes(0x00290000 | (_block(header) or BLOCKS[0]) << 8 | part)
    if len(raw) < 16 or len(raw) > SIZE_LIMIT:
        return {}
    try:
        tags = _read(raw)["tags"]
    except Exception:
        # The format is undocumented and its bytes come from outside: whatever goes wrong, there is no CSA header.
        return {}
    return tags if isinstance(tags, dict) else {}


def _items(tags: dict[str, Any], name: str) -> list[Any]:
    return [_clean(item) for item in tags.get(name, {}).get("items", []) if item != ""]


def _clean(item: Any) -> Any:
    return item.replace("\0", "").strip() if isinstance(item, str) else item


def _first(tags: dict[str, Any], name: str) -> Any:
    items = _items(tags, name)
    return items[0] if items else None


def _shown(tags: dict[str, Any], name: str) -> str | list[str] | None:
    items = [str(item) for item in _items(tags, name)]
    return None if not items else items[0] if len(items) == 1 else items
