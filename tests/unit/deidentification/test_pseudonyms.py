"""UIDs and dates: keyed, constant, valid, and never the original."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deidentification import Subject
from deidentification.dataset import dates, uids
from tests.unit.deidentification.builders import KEY, SUBJECT


def test_uid_is_constant_for_a_key_and_padding_does_not_count() -> None:
    assert SUBJECT.new_uid("1.2.3") == "2.25.131278830506520232842163071053413364385"
    assert SUBJECT.new_uid("1.2.3\0") == SUBJECT.new_uid("1.2.3")
    assert Subject("P", "S", "e", bytes(32)).new_uid("1.2.3") != SUBJECT.new_uid("1.2.3")


@given(st.text("0123456789.", min_size=1, max_size=64))
def test_uid_is_valid_and_says_nothing_of_the_old_one(old: str) -> None:
    new = SUBJECT.new_uid(old)
    assert uids.is_valid(new.encode())
    number = int(new.removeprefix("2.25."))
    assert number < 1 << 128
    assert (number >> 76 & 0xF, number >> 62 & 0x3) == (8, 2)


@pytest.mark.parametrize(
    ("value", "vr", "moved"),
    [
        (b"20240301", b"DA", b"20240130"),
        (b"2024.03.01", b"DA", b"20240130"),
        (b"20240301 ", b"DA", b"20240130"),
        (b"20240301\\20240302", b"DA", b"20240130\\20240131"),
        (b"20240301-20240302", b"DA", b"20240130-20240131"),
        (b"-20240302", b"DA", b"-20240131"),
        (b"20240301-", b"DA", b"20240130-"),
        (b"", b"DA", b""),
        (b"202403", b"DA", None),
        (b"20241301", b"DA", None),
        (b"20240230", b"DA", None),
        (b"00010101", b"DA", None),
        (b"20240301KARI", b"DA", None),
        (b"-", b"DA", None),
        (b"20240301101112.123456+0100", b"DT", b"20240130101112.123456+0100"),
        (b"20240301101112-0500", b"DT", b"20240130101112-0500"),
        (b"20240301101112", b"DT", b"20240130101112"),
        (b"202403011011", b"DT", b"202401301011"),
        (b"20240301", b"DT", b"20240130"),
        (b"202403", b"DT", b"202401"),
        (b"2024", b"DT", b"2023"),
        (b"2024+0100", b"DT", b"2023+0100"),
        (b"20240301-20240302", b"DT", b"20240130-20240131"),
        (b"20240301101112.", b"DT", None),
        (b"20240301 KARI", b"DT", None),
    ],
)
def test_dates_move_by_whole_days(value: bytes, vr: bytes, moved: bytes | None) -> None:
    assert dates.shift(value, -31, vr) == moved


@given(st.dates(min_value=date(1900, 1, 1)), st.integers(-1095, -1))
def test_intervals_stay(day: date, shift: int) -> None:
    later = min(day, date(9990, 1, 1)) + timedelta(days=17)
    first, second = (dates.shift(f"{d:%Y%m%d}".encode(), shift, b"DA") for d in (later - timedelta(days=17), later))
    assert first
    assert second
    parsed = [date(int(v[:4]), int(v[4:6]), int(v[6:])) for v in (first, second)]
    assert parsed[1] - parsed[0] == timedelta(days=17)


@pytest.mark.parametrize(
    ("value", "good"),
    [(b"101112.123456", True), (b"10", True), (b"1011", True), (b"10:11:12", True), (b"101112-1013", True), (b"", True),
     (b"KARI", False), (b"101112.KARI", False), (b"1", False)],
)  # fmt: skip
def test_times(value: bytes, good: bool) -> None:
    assert dates.is_time(value) is good


def test_shift_is_of_the_participant() -> None:
    shifts = {Subject("P", f"S{number}", "e", KEY).shift_days for number in range(200)}
    assert len(shifts) > 150
    assert min(shifts) >= -1095
    assert max(shifts) <= -365
    one, other = (Subject(project, "S1", event, KEY) for project, event in (("P", "a"), ("Q", "b")))
    assert one.shift_days == other.shift_days
    assert Subject("P", "S1", "e", KEY, date_shift_days=7).shift_days == 7


@pytest.mark.parametrize(
    ("uid", "stays"),
    [
        (b"1.2.840.10008.5.1.4.1.1.2", True),
        (b"1.2.840.10008.5.1.4.1.1.999", True),
        (b"1.3.12.2.1107.5.9.1", True),
        (b"1.2.840.113619.4.27", True),
        (b"1.3.46.670589.11.0.0.12.4", True),
        (b"1.3.12.2.1107.5.9.19700203", False),
        (b"1.3.46.670589.11.120350.734512", False),
        (b"1.3.46.670589.11.0.0.12.734512", False),
        (b"1.2.840.10008.19700203", False),
        (b"1.2.826.0.1", False),
    ],
)
def test_class_uids(uid: bytes, stays: bool) -> None:
    assert uids.is_class(uid) is stays
    assert (uids.replace_instances_only(uids.mapped_by("keyed", KEY, "P"), uid) == uid) is stays
