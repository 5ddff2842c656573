"""What can be done about each rule: those that can be waived say so, no other does."""

from deidentification.errors import RELEASABLE
from services.api.release import ADVICE, advice, refused


def test_release_is_offered_where_it_is_possible_and_nowhere_else() -> None:
    assert {rule for rule in ADVICE if "release" in advice(rule)} == RELEASABLE
    assert "release" not in advice("a rule of tomorrow")


def test_dropping_is_always_possible() -> None:
    assert all("drop it" in advice(rule) for rule in (*ADVICE, "a rule of tomorrow"))


def test_only_what_cannot_be_waived_is_refused() -> None:
    assert refused(set(RELEASABLE)) == []
    assert refused({"truncated", "gate-name", ""}) == [
        f"no rule noted: {advice('')}",
        f"truncated: {advice('truncated')}",
    ]
