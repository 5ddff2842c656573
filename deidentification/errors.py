"""Why an object stays: reason, rule and attribute path, never a value."""

from collections.abc import Sequence
from typing import Final

Step = tuple[int, int | None]

# What a person may let pass for one instance, having looked at it. Everything else cannot be written at all.
RELEASABLE: Final = frozenset(
    (
        *("text-in-pixels", "burned-in", "overlay-in-pixels", "pixel-text", "encapsulated-document"),
        *("gate-name", "gate-id", "gate-date", "gate-uid", "gate-text"),
    )
)


def attribute_path(steps: Sequence[Step]) -> str:
    """'(0008,1140)[2].(0008,1155)' for the steps (tag, item index) from the outside in."""
    return ".".join(
        f"({tag >> 16:04X},{tag & 0xFFFF:04X})" + ("" if index is None else f"[{index}]") for tag, index in steps
    )


class CannotDeidentify(Exception):
    """The object cannot be de-identified whole: quarantine it.

    `rule` is a short stable name, `reason` a sentence, `where` the attribute path (empty for the file itself).
    """

    def __init__(self, rule: str, reason: str, steps: Sequence[Step] = ()) -> None:
        super().__init__(rule, reason, tuple(steps))
        self.rule = rule
        self.reason = reason
        self.steps = tuple(steps)

    @property
    def where(self) -> str:
        """The attribute path, outermost first."""
        return attribute_path(self.steps)

    def within(self, tag: int, index: int | None = None) -> "CannotDeidentify":
        """The same refusal seen from one level further out."""
        return CannotDeidentify(self.rule, self.reason, ((tag, index), *self.steps))

    def __str__(self) -> str:
        return f"{self.reason} [{self.rule}]" + (f" at {self.where}" if self.steps else "")


class LeftOut(Exception):
    """The profile leaves this instance out: counted, neither written nor quarantined. `rule` says which selector."""

    def __init__(self, rule: str, reason: str) -> None:
        super().__init__(rule, reason)
        self.rule = rule
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.reason} [{self.rule}]"


class NeedMore(Exception):
    """The walk came to the end of what was read so far; `size` bytes from the start would do, as far as known."""

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self.size = size
