"""Pixel data: copied untouched where it may stay, cleaned where text stands in it."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from deidentification.dataset.source import Source
from deidentification.pixels import copying
from deidentification.pixels.findings import Box, Cleaned, Findings, FrameFinding
from deidentification.pixels.planning import WANTED, Plan, planned, wanted

if TYPE_CHECKING:
    from deidentification.pixels.cleaning import Words

__all__ = ["WANTED", "Box", "Cleaned", "Findings", "FrameFinding", "Plan", "cleaned", "planned", "wanted"]


def cleaned(
    source: Source,
    found: copying.Pixels,
    plan: Plan,
    captured: Mapping[int, bytes],
    person: "Words | None",
    folder: Path | None = None,
) -> Cleaned:
    """Carry out `plan`: see cleaning.cleaned. Who only copies does not pay for loading OpenCV and the networks."""
    from deidentification.pixels import cleaning

    return cleaning.cleaned(source, found, plan, captured, person, folder)
