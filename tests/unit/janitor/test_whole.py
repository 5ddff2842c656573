"""What is not whole at its destination stays: tried with histories told instance by instance."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.events import RetentionLimits
from shared.retention.whole import (
    Assigned,
    Sent,
    SentPart,
    StudyFacts,
    TransferFacts,
    superseded,
    why_answers_kept,
    why_files_kept,
    why_kept,
    why_rest_kept,
)

NOW = datetime(2026, 6, 1, tzinfo=UTC)
OLD = NOW - timedelta(days=100)
LIMITS = RetentionLimits(min_days=30, unassigned_days=90)
PARTS = (("1.1", 1), ("1.1", 2), ("1.2", 1))
STATES = ("completed", "completed", "completed", "failed", "cancelled", "withdrawn", "quarantined", "sending")
FATES = ("sent", "sent", "sent", "sent", "sent", "decided", "left out", "lost")
ANSWERS = ("found", "found", "found", "found", "found", "found", "acknowledged", "refused", "none")


@dataclass(frozen=True)
class Told:
    """A transfer as it really was: what became of each instance, and what each destination has of it."""

    assignment: str
    state: str
    review: bool
    parts: dict[tuple[str, int], list[tuple[str, tuple[str, ...]]]]
    destinations: tuple[str, ...]


def transfer(chance: Random, sizes: dict[tuple[str, int], int]) -> Told:
    destinations = chance.choice((("A",), ("A", "B")))
    # Most are told well: otherwise nothing would ever be whole.
    well = chance.random() < 0.7

    def fate() -> tuple[str, tuple[str, ...]]:
        if well:
            return "sent", ("found",) * len(destinations)
        return chance.choice(FATES), tuple(chance.choice(ANSWERS) for _ in destinations)

    return Told(
        chance.choice("ab"),
        "completed" if well and chance.random() < 0.8 else chance.choice(STATES),
        chance.random() < 0.2,
        {part: [fate() for _ in range(sizes[part])] for part in (*sizes,)[: chance.choice((1, 3, 3))]},
        destinations,
    )


def history(chance: Random) -> tuple[StudyFacts, list[Told]]:
    sizes = {part: chance.randint(1, 3) for part in PARTS[: chance.randint(1, 3)]}
    told = [transfer(chance, sizes) for _ in range(chance.randint(0, 4))]

    def seldom() -> int:
        return int(chance.random() < 0.05)

    facts = StudyFacts(
        study_instance_uid="1",
        seen_at=NOW if seldom() else OLD,
        arrived=not seldom(),
        conflicts=seldom(),
        wishes=seldom(),
        withdrawals=seldom(),
        unfinished=seldom(),
        parts=sizes,
        assignments=tuple(Assigned(name, in_force=chance.random() < 0.6, ended_at=OLD) for name in "ab"),
        transfers=tuple(_sent(number, each) for number, each in enumerate(told)),
    )
    return facts, told


def _sent(number: int, told: Told) -> Sent:
    """What the tables say of it."""
    at = OLD + timedelta(days=number)
    parts = []
    for (series, revision), fates in told.parts.items():
        for index, destination in enumerate(told.destinations):
            answers = [answers[index] for fate, answers in fates if fate == "sent"]
            parts.append(
                SentPart(
                    series,
                    revision,
                    destination,
                    instances=len(fates),
                    anonymized=len(answers),
                    quarantined=sum(fate == "decided" for fate, _ in fates),
                    left_out=sum(fate == "left out" for fate, _ in fates),
                    delivered=sum(each in ("found", "acknowledged") for each in answers),
                    refused=answers.count("refused"),
                    counted=answers.count("found"),
                )
            )
    return Sent(
        str(number), told.assignment, told.state, at, at, told.review, frozenset(told.destinations), tuple(parts)
    )


def accounted(told: list[Told], assignment: str, part: tuple[str, int], index: int) -> bool:
    """Whether an instance really is where it was to go, or somebody has decided that it need not be."""
    for each in told:
        if each.assignment == assignment and each.state == "completed" and part in each.parts:
            fate, answers = each.parts[part][index]
            if fate in ("decided", "left out") or (fate == "sent" and all(answer == "found" for answer in answers)):
                return True
    return False


@settings(max_examples=60, deadline=None)
@given(st.integers(min_value=0))
def test_what_may_go_is_whole_at_its_destination(seed: int) -> None:
    chance = Random(seed)
    for _ in range(100):
        check(*history(chance))


def test_what_is_whole_does_go() -> None:
    chance = Random(20260102)
    gone = [check(*history(chance)) for _ in range(2000)]
    assert 100 < gone.count(True) < 1500, "the histories are of both kinds"


def check(facts: StudyFacts, told: list[Told]) -> bool:
    """Whether it may go; and if so, that it may for a good reason."""
    if why_kept(facts, LIMITS, NOW) is not None:
        return False
    assert (facts.seen_at, facts.arrived) == (OLD, True)
    assert (facts.conflicts, facts.wishes, facts.withdrawals, facts.unfinished) == (0, 0, 0, 0)
    assert not any(each.state in ("sending", "quarantined") for each in told)
    in_force = [each.id for each in facts.assignments if each.in_force]
    for assignment in in_force:
        for part, number in facts.parts.items():
            for index in range(number):
                assert accounted(told, assignment, part, index), (assignment, part, index)
    return bool(in_force)


def part(**values: object) -> SentPart:
    return replace(
        SentPart("1.1", 1, "A", 3, anonymized=3, delivered=3, counted=3),
        **values,  # type: ignore[arg-type]
    )


WENT_WELL = Sent("t", "a", "completed", OLD, OLD, destinations=frozenset("A"), parts=(part(),))
WHOLE = StudyFacts("1", OLD, parts={("1.1", 1): 3}, assignments=(Assigned("a"),), transfers=(WENT_WELL,))
LATER = replace(WENT_WELL, id="u", requested_at=OLD + timedelta(days=1))


def with_part(**values: object) -> StudyFacts:
    return replace(WHOLE, transfers=(replace(WENT_WELL, parts=(part(**values),)),))


SPOILED = {
    "removed": replace(WHOLE, removed=True),
    "still arriving": replace(WHOLE, arrived=False),
    "in flight": replace(WHOLE, unfinished=1),
    "nothing in it": replace(WHOLE, parts={}),
    "conflicts": replace(WHOLE, conflicts=1),
    "a wish": replace(WHOLE, wishes=1),
    "a withdrawal": replace(WHOLE, withdrawals=1),
    "seen just now": replace(WHOLE, seen_at=NOW),
    "finished just now": replace(WHOLE, transfers=(replace(WENT_WELL, finished_at=NOW),)),
    "waits": replace(WHOLE, assignments=(Assigned("a", waits=True),)),
    "another assignment": replace(WHOLE, assignments=(Assigned("a"), Assigned("b"))),
    "another series": replace(WHOLE, parts={("1.1", 1): 3, ("1.2", 1): 1}),
    "a late revision": replace(WHOLE, parts={("1.1", 1): 3, ("1.1", 2): 1}),
    "one more instance": replace(WHOLE, parts={("1.1", 1): 4}),
    "another destination": replace(WHOLE, transfers=(replace(WENT_WELL, destinations=frozenset("AB")),)),
    "a review only": replace(WHOLE, transfers=(replace(WENT_WELL, review=True),)),
    "under way": replace(WHOLE, transfers=(WENT_WELL, replace(LATER, state="anonymizing"))),
    "in quarantine": replace(WHOLE, transfers=(WENT_WELL, replace(LATER, state="quarantined"))),
    "a later try has failed": replace(WHOLE, transfers=(WENT_WELL, replace(LATER, state="failed"))),
    "not acknowledged": with_part(delivered=2, counted=2),
    "not de-identified": with_part(anonymized=None, delivered=None, counted=None),
    "refused": with_part(refused=1),
    "not counted": with_part(counted=None),
    "not found": with_part(counted=2),
    "unaccounted": with_part(anonymized=2, delivered=2, counted=2),
    **{state: replace(WHOLE, transfers=(replace(WENT_WELL, state=state),)) for state in STATES if state != "completed"},
}


def test_a_study_that_is_whole_may_go() -> None:
    assert why_kept(WHOLE, LIMITS, NOW) is None
    assert why_kept(with_part(counted=None), LIMITS.model_copy(update={"counted": False}), NOW) is None
    assert why_kept(with_part(anonymized=1, delivered=1, counted=1, quarantined=1, left_out=1), LIMITS, NOW) is None


@pytest.mark.parametrize("why", SPOILED)
def test_every_single_doubt_keeps_it(why: str) -> None:
    assert why_kept(SPOILED[why], LIMITS, NOW)


def test_what_nobody_has_assigned_stays_until_its_own_time() -> None:
    unassigned = replace(WHOLE, assignments=(), transfers=())
    assert why_kept(unassigned, LIMITS, NOW) is None
    assert why_kept(unassigned, LIMITS.model_copy(update={"unassigned_days": None}), NOW) == "nobody has assigned it"
    assert why_kept(replace(unassigned, seen_at=NOW - timedelta(days=89)), LIMITS, NOW)
    ended = replace(unassigned, assignments=(Assigned("a", in_force=False, ended_at=NOW),))
    assert why_kept(ended, LIMITS, NOW), "it was taken back just now: somebody may want to assign it anew"


@pytest.mark.parametrize(
    ("facts", "may_go"),
    [
        (TransferFacts(WENT_WELL), True),
        (TransferFacts(WENT_WELL, project="archived"), False),
        (TransferFacts(WENT_WELL, known=False), False),
        (TransferFacts(WENT_WELL, undecided=1), False),
        (TransferFacts(WENT_WELL, withdrawals=("asked",)), False),
        (TransferFacts(WENT_WELL, siblings=(replace(LATER, state="sending"),)), False),
        (TransferFacts(replace(WENT_WELL, finished_at=NOW)), False),
        (TransferFacts(replace(WENT_WELL, parts=(part(counted=None),))), False),
        (TransferFacts(replace(WENT_WELL, state="failed")), False),
        (TransferFacts(replace(WENT_WELL, state="failed"), superseded=True), True),
        (TransferFacts(replace(WENT_WELL, state="failed"), superseded=True, undecided=1), False),
        (TransferFacts(replace(WENT_WELL, state="cancelled"), superseded=True), False),
        (TransferFacts(WENT_WELL, project="archived", known=False, anonymous=True), False),
    ],
)
def test_files_of_a_transfer(facts: TransferFacts, may_go: bool) -> None:
    assert (why_files_kept(facts, LIMITS, NOW) is None) is may_go


def test_files_of_an_anonymous_project_go_when_a_policy_says_so() -> None:
    facts = TransferFacts(WENT_WELL, project="archived", known=False, anonymous=True)
    assert why_files_kept(facts, LIMITS.model_copy(update={"anonymous_days": 40}), NOW) is None
    assert why_files_kept(facts, LIMITS.model_copy(update={"anonymous_days": 4000}), NOW) == "it is recent"


def test_a_failed_transfer_is_superseded_by_what_brought_all_of_it() -> None:
    failed = replace(WENT_WELL, state="failed")
    assert superseded(failed, [LATER], LIMITS)
    assert not superseded(failed, [WENT_WELL], LIMITS), "that was before"
    assert not superseded(failed, [replace(LATER, state="sending")], LIMITS)
    assert not superseded(replace(failed, parts=(part(), part(series="1.2"))), [LATER], LIMITS)
    assert not superseded(replace(failed, parts=()), [LATER], LIMITS)


def test_answers_stay_until_counts_and_manifests_say_as_much() -> None:
    assert why_answers_kept(TransferFacts(WENT_WELL, project="archived"), LIMITS, NOW) is None
    for doubt in (
        TransferFacts(replace(WENT_WELL, state="failed")),
        TransferFacts(replace(WENT_WELL, parts=(part(counted=None),))),
        TransferFacts(replace(WENT_WELL, finished_at=NOW)),
        TransferFacts(WENT_WELL, withdrawals=("by_hand",)),
    ):
        assert why_answers_kept(doubt, LIMITS, NOW)


def test_what_a_stopped_transfer_has_left() -> None:
    stopped = TransferFacts(replace(WENT_WELL, state="withdrawn"), withdrawals=("withdrawn", "confirmed"))
    assert why_rest_kept(stopped, LIMITS, NOW) is None
    assert why_rest_kept(TransferFacts(replace(WENT_WELL, state="cancelled")), LIMITS, NOW) is None
    assert why_rest_kept(replace(stopped, withdrawals=("withdrawn", "by_hand")), LIMITS, NOW)
    assert why_rest_kept(replace(stopped, withdrawals=()), LIMITS, NOW)
    assert why_rest_kept(TransferFacts(WENT_WELL), LIMITS, NOW)
