"""The circuit by a clock of our own."""

from services.sender.circuit import Circuit, Permission


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def circuit() -> tuple[Circuit, Clock]:
    clock = Clock()
    return Circuit(threshold=3, probe_every=10, clock=clock), clock


def test_opens_after_the_third_failure_in_a_row() -> None:
    subject, _ = circuit()
    subject.failed()
    subject.failed()
    assert subject.ask() is Permission.GO
    subject.failed()
    assert subject.is_open
    assert subject.ask() is Permission.WAIT


def test_a_success_in_between_starts_the_count_anew() -> None:
    subject, _ = circuit()
    for _ in range(5):
        subject.failed()
        subject.failed()
        subject.succeeded()
    assert not subject.is_open


def test_lets_one_probe_through_in_each_period() -> None:
    subject, clock = circuit()
    for _ in range(3):
        subject.failed()
    clock.now += 10
    assert [subject.ask() for _ in range(3)] == [Permission.PROBE, Permission.WAIT, Permission.WAIT]
    subject.failed()
    subject.probed()
    clock.now += 10
    assert subject.ask() is Permission.PROBE
    subject.probed()
    subject.succeeded()
    assert subject.ask() is Permission.GO


def test_a_probe_that_takes_its_time_is_the_only_one() -> None:
    subject, clock = circuit()
    for _ in range(3):
        subject.failed()
    clock.now += 10
    assert subject.ask() is Permission.PROBE
    clock.now += 60
    assert subject.ask() is Permission.WAIT
    subject.probed()
    assert subject.ask() is Permission.WAIT
    clock.now += 10
    assert subject.ask() is Permission.PROBE


def test_comes_back_later_the_longer_it_is_down() -> None:
    subject, clock = circuit()
    assert subject.delay() == 10
    for _ in range(3):
        subject.failed()
    delays = []
    for minutes in (0, 4, 5, 59, 60, 60 * 60):
        clock.now = 1000 + minutes * 60
        delays.append(subject.delay())
    assert delays == [10, 10, 60, 60, 600, 600]
