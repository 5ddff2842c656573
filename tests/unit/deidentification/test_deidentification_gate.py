"""The last gate finds the person in what was written, and does not cry at common words."""

import pytest

from deidentification import BASIC, CannotDeidentify, Option, Subject
from deidentification.dataset.encoding import EXPLICIT_LE
from deidentification.gate import gate
from tests.unit.deidentification.builders import KEY, Bench, ct, encoded


@pytest.mark.parametrize(
    ("attributes", "rule", "echo"),
    [
        ({"Manufacturer": "Scanner of Nordmann"}, "gate-name", b"Nordmann"),
        ({"Manufacturer": "NORDMANN, KARI"}, "gate-name", b"NORDMANN"),
        ({"Manufacturer": "for Henviser"}, "gate-name", b"Henviser"),
        ({"ManufacturerModelName": "M 03027012345"}, "gate-id", b"03027012345"),
        ({"ManufacturerModelName": "x ACC4711X"}, "gate-id", b"ACC4711X"),
        ({"SequenceName": "born 1970-02-03"}, "gate-date", b"1970-02-03"),
        ({"SequenceName": "03.02.1970"}, "gate-date", b"03.02.1970"),
        ({"KVP": "19700203"}, "gate-date", b"19700203"),
        ({"PatientBirthDate": "", "Manufacturer": "1.2.826.0.19700203.1"}, "gate-uid", b"1.2.826.0.19700203.1"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "KARI NORDMANN"]}, "gate-name", b"NORDMANN"),
    ],
)
def test_an_echo_in_a_kept_value_never_leaves(
    bench: Bench, attributes: dict[str, object], rule: str, echo: bytes
) -> None:
    """Either its attribute is cleaned of it, or the gate refuses the object."""
    try:
        written = bench.written(encoded(ct(**attributes)))
    except CannotDeidentify as refusal:
        held, told = refusal.rule == rule, str(refusal).lower()
    else:
        held, told = echo not in written, ""
    assert held
    assert "nordmann" not in told


@pytest.mark.parametrize("keyword", ["SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID"])
def test_a_device_is_not_kept_under_a_uid_of_the_study(bench: Bench, keyword: str) -> None:
    keeping = BASIC.model_copy(update={"options": BASIC.options | {Option.DEVICE}})
    data = ct(FrameOfReferenceUID="1.2.826.0.19700203.7", DeviceUID="1.2.826.0.19700203.5")
    assert b"1.2.826.0.19700203.5" in bench.written(encoded(data), keeping)
    data.DeviceUID = data[keyword].value
    with pytest.raises(CannotDeidentify) as refusal:
        bench.written(encoded(data), keeping)
    assert refusal.value.rule == "gate-uid"


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


def test_a_wrong_carrier_is_refused(bench: Bench) -> None:
    written = bench.written(encoded(ct()))
    start = 144 + int.from_bytes(written[140:144], "little")
    end = written.rindex(b"\xe0\x7f\x10\0OW")
    gate.verify(written[:end], start, EXPLICIT_LE, {0x00100020: b"NOR_001"}, gate.NOTHING)
    with pytest.raises(CannotDeidentify) as refusal:
        gate.verify(written[:end], start, EXPLICIT_LE, {0x00100020: b"NOR_002"}, gate.NOTHING)
    assert (refusal.value.rule, refusal.value.where) == ("gate-carrier", "(0010,0020)")
