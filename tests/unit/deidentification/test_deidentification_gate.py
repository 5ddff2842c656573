"""The last gate finds the person in what was written, and does not cry at common words."""

import pytest

from deidentification import CannotDeidentify, Subject
from deidentification.dataset.encoding import EXPLICIT_LE
from deidentification.gate import gate
from deidentification.gate.identity import Kind
from tests.unit.deidentification.builders import KEY, Bench, ct, encoded


@pytest.mark.parametrize(
    ("attributes", "rule"),
    [
        ({"Manufacturer": "Scanner of Nordmann"}, "gate-name"),
        ({"Manufacturer": "NORDMANN, KARI"}, "gate-name"),
        ({"Manufacturer": "for Henviser"}, "gate-name"),
        ({"SequenceName": "03027012345"}, "gate-id"),
        ({"SequenceName": "x ACC4711X"}, "gate-id"),
        ({"SequenceName": "born 1970-02-03"}, "gate-date"),
        ({"SequenceName": "03.02.1970"}, "gate-date"),
        ({"KVP": "19700203"}, "gate-date"),
        ({"PatientBirthDate": "", "Manufacturer": "1.2.826.0.19700203.1"}, "gate-uid"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "KARI NORDMANN"]}, "gate-name"),
    ],
)
def test_an_echo_in_a_kept_value_is_refused(bench: Bench, attributes: dict[str, object], rule: str) -> None:
    refusal = bench.refusal(encoded(ct(**attributes)))
    assert refusal.rule == rule
    assert "nordmann" not in str(refusal).lower()


def test_a_name_in_another_character_set_is_found(bench: Bench) -> None:
    data = ct(SpecificCharacterSet="ISO_IR 192", PatientName="山田^太郎", Manufacturer="山田 CT")
    assert bench.refusal(encoded(data)).rule == "gate-name"


@pytest.mark.parametrize(
    "attributes",
    [
        {"PatientName": "Phantom^Siemens", "Manufacturer": "SIEMENS"},
        {"PatientName": "Lees^Al", "Manufacturer": "Sleestak ALMA"},
        {"PatientID": "1234", "SequenceName": "1234"},
        {"PatientID": "12345", "KVP": "12345"},
        {"PatientID": "000000", "SequenceName": "000000"},
        {"PatientID": "123456", "SliceLocation": "0.1234567"},
        {"PatientName": "NOR_001", "PatientID": "NOR_001"},
        {"AccessionNumber": "NORSTUDY"},
        {"PatientBirthDate": "19000101"},
    ],
)
def test_common_and_short_values_are_no_alarm(bench: Bench, attributes: dict[str, object]) -> None:
    assert bench.read(encoded(ct(**attributes))).PatientID == "NOR_001"


def test_a_moved_date_may_equal_the_birth_date(bench: Bench) -> None:
    subject = Subject("P", "S", "e", KEY, date_shift_days=-366)
    after = bench.read(encoded(ct(PatientBirthDate="20230311", StudyDate="20240311")), subject=subject)
    assert after.StudyDate == "20230311"


@pytest.mark.parametrize(
    ("kind", "needle", "haystack", "found"),
    [
        (Kind.NAME, b"HANS", b"\x06\0HANS  ", True),
        (Kind.NAME, b"HANS", b"\x06\0HANSEN", False),
        (Kind.NAME, b"HANS", b"\x04\0HANST\0\x10\0", True),
        (Kind.NAME, b"HANS", b"HANSEN HANS", True),
        (Kind.UID, b"1.2.3.4", b"1.2.3.45", False),
        (Kind.UID, b"1.2.3.4", b"UID 1.2.3.4\0", True),
    ],
)
def test_a_hit_stands_alone(kind: Kind, needle: bytes, haystack: bytes, found: bool) -> None:
    assert gate.hit(needle, kind, haystack) is found


def test_a_wrong_carrier_is_refused(bench: Bench) -> None:
    written = bench.written(encoded(ct()))
    start = 144 + int.from_bytes(written[140:144], "little")
    end = written.rindex(b"\xe0\x7f\x10\0OW")
    gate.verify(written[:end], start, EXPLICIT_LE, {0x00100020: b"NOR_001"}, ())
    with pytest.raises(CannotDeidentify) as refusal:
        gate.verify(written[:end], start, EXPLICIT_LE, {0x00100020: b"NOR_002"}, ())
    assert (refusal.value.rule, refusal.value.where) == ("gate-carrier", "(0010,0020)")
