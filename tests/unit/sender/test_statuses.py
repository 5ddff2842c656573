"""Every DIMSE status has one of three fates."""

import pytest

from shared.scu.statuses import Verdict, describe, verdict


@pytest.mark.parametrize(
    ("status", "fate"),
    [
        (0x0000, Verdict.TAKEN),
        (0xB000, Verdict.TAKEN),
        (0xB007, Verdict.TAKEN),
        (0x0111, Verdict.TAKEN),
        (0xA700, Verdict.LATER),
        (0xA7FF, Verdict.LATER),
        (0x0110, Verdict.LATER),
        (0xFFFF, Verdict.LATER),
        (0xA900, Verdict.REFUSED),
        (0xC000, Verdict.REFUSED),
        (0xCFFF, Verdict.REFUSED),
        (0x0122, Verdict.REFUSED),
        (0x0124, Verdict.REFUSED),
        (0xFF00, Verdict.REFUSED),
    ],
)
def test_verdict(status: int, fate: Verdict) -> None:
    assert verdict(status) is fate


def test_every_status_has_a_verdict_and_a_description() -> None:
    for status in range(0x10000):
        assert describe(status).startswith(f"0x{status:04X}")
        assert verdict(status) in Verdict
