"""What was found in the pixels and hidden: boxes, frames and confidences; the text only for who may see it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Literal, NamedTuple

Kind = Literal["text", "code", "region", "mask"]


class Box(NamedTuple):
    """Columns [x, x+width), rows [y, y+height) of a frame, and why they were hidden."""

    x: int
    y: int
    width: int
    height: int
    confidence: float = 1.0
    kind: Kind = "text"
    text: str = ""


@dataclass(frozen=True)
class FrameFinding:
    """What was hidden in the frames (numbers from 1) that share it."""

    frames: tuple[int, ...]
    boxes: tuple[Box, ...]


@dataclass(frozen=True)
class Findings:
    """One instance: frames read and changed, what was hidden, device masks by name, thumbnails (PNG) or nothing."""

    read: int = 0
    changed: int = 0
    frames: tuple[FrameFinding, ...] = ()
    masks: tuple[str, ...] = ()
    exempt: bool = False
    before: bytes = b""
    after: bytes = b""

    def as_json(self, with_text: bool = False) -> str:
        """Everything but the thumbnails; the text that was read only `with_text`."""
        content = {
            "read": self.read,
            "changed": self.changed,
            "exempt": self.exempt,
            "masks": list(self.masks),
            "frames": [
                {"frames": ranges(each.frames), "boxes": [_box(box, with_text) for box in each.boxes]}
                for each in self.frames
            ],
        }
        return json.dumps(content, ensure_ascii=False, separators=(",", ":"))


@dataclass(frozen=True)
class Cleaned:
    """New native pixel bytes in an unnamed file that the caller closes, or None: the original may be copied.

    `attributes`: tag -> (VR, value as the source's dataset is encoded), None: the attribute goes. The pixel data's
    element is the source's, with `vr` and `length`; the transfer syntax keeps the encoding of the source's dataset.
    """

    file: BinaryIO | None
    length: int = 0
    transfer_syntax_uid: str = ""
    vr: bytes = b""
    attributes: Mapping[int, tuple[bytes, bytes] | None] = field(default_factory=dict)
    findings: Findings = field(default_factory=Findings)


def ranges(numbers: tuple[int, ...]) -> list[list[int]]:
    """[[first, last], …] of ascending numbers."""
    found: list[list[int]] = []
    for number in numbers:
        if found and number == found[-1][1] + 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    return found


def _box(box: Box, with_text: bool) -> dict[str, Any]:
    content: dict[str, Any] = {
        "x": box.x, "y": box.y, "width": box.width, "height": box.height,
        "confidence": round(box.confidence, 3), "kind": box.kind,
    }  # fmt: skip
    return content | {"text": box.text} if with_text else content
