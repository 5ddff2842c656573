"""When a series is whole: the table of cases."""

from datetime import UTC, datetime, timedelta

import pytest

from services.indexer.arrival import InFlight, Patience, Verdict, decide, finished, given_up

T0 = datetime(2026, 1, 1, tzinfo=UTC)
PATIENCE = Patience(quiet=15, agreed=2, hard_limit=100, compare=20, give_up=60)
LONG_AGO = T0 - timedelta(days=1)


@pytest.mark.parametrize(
    ("unfinished", "expected", "quiet_for", "open_for", "verdict"),
    [
        (0, None, 0, 0, Verdict.WAIT),
        (0, None, 14.9, 20, Verdict.WAIT),
        (0, None, 15, 20, Verdict.QUIET),
        (0, 10, 1.9, 20, Verdict.WAIT),
        (0, 10, 2, 20, Verdict.AGREED),
        (0, 11, 2, 20, Verdict.WAIT),
        (0, 9, 2, 20, Verdict.WAIT),
        (0, 11, 15, 20, Verdict.QUIET),
        (1, None, 99, 99, Verdict.WAIT),
        (1, 10, 99, 99, Verdict.WAIT),
        (1, 10, 1, 100, Verdict.HARD_LIMIT),
        (2, None, 99, 101, Verdict.HARD_LIMIT),
        (0, None, 0, 101, Verdict.HARD_LIMIT),
    ],
)
def test_decide(unfinished: int, expected: int | None, quiet_for: float, open_for: float, verdict: Verdict) -> None:
    series = InFlight(
        instances=10,
        expected=expected,
        open_since=T0 - timedelta(seconds=open_for),
        last_instance_at=T0 - timedelta(seconds=quiet_for),
        unfinished=unfinished,
    )
    assert decide(series, PATIENCE, T0, LONG_AGO) is verdict


def test_silence_counts_only_while_somebody_listens() -> None:
    series = InFlight(10, None, LONG_AGO, LONG_AGO, 0)
    assert decide(series, PATIENCE, T0, T0) is Verdict.WAIT
    assert decide(series, PATIENCE, T0 + timedelta(seconds=15), T0) is Verdict.QUIET


@pytest.mark.parametrize(
    ("announced", "indexed", "result"),
    [(None, 0, False), (None, 5, False), (0, 0, True), (5, 4, False), (5, 5, True), (5, 6, True)],
)
def test_finished(announced: int | None, indexed: int, result: bool) -> None:
    assert finished(announced, indexed) is result


def test_only_closed_associations_are_given_up() -> None:
    later = T0 + timedelta(seconds=60)
    assert not given_up(None, T0, PATIENCE, later + timedelta(days=1), LONG_AGO)
    assert not given_up(5, T0, PATIENCE, later - timedelta(seconds=1), LONG_AGO)
    assert not given_up(5, T0, PATIENCE, later, later)
    assert given_up(5, T0, PATIENCE, later, LONG_AGO)
