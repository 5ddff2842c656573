"""What was derived from a result, and comes back: pseudonyms stay, everything else is replaced as ever."""

from pathlib import Path

import pytest
from pydicom import Dataset, dcmread
from pydicom.sequence import Sequence

from deidentification import BUILT_IN, Deidentified, Profile, deidentify_all, moved_day
from deidentification.dataset import dates
from tests.unit.deidentification.builders import SUBJECT, ct, encoded

FIONA = BUILT_IN["fiona"]
TODAY = "20260105"
OWN = {"SeriesInstanceUID": "1.3.99.7", "SOPInstanceUID": "1.3.99.8"}


def run(folder: Path, data: Dataset, profile: Profile, pseudonyms: frozenset[str] = frozenset()) -> Deidentified:
    source = folder / "in.dcm"
    source.write_bytes(encoded(data))
    (result,) = deidentify_all([source], folder / "out", SUBJECT, profile, pseudonyms=pseudonyms)
    assert isinstance(result, Deidentified), result
    return result


def read(folder: Path, result: Deidentified) -> Dataset:
    return dcmread(folder / "out" / result.path)


def known(result: Deidentified) -> frozenset[str]:
    own = {result.study_instance_uid, result.series_instance_uid, result.sop_instance_uid}
    return frozenset(own | {value.decode() for value in result.given})


def made_from(sent: Dataset, **attributes: object) -> Dataset:
    """What a workstation makes of an image: header and frame of reference taken over, itself and today added."""
    image = Dataset()
    image.ReferencedSOPClassUID, image.ReferencedSOPInstanceUID = sent.SOPClassUID, sent.SOPInstanceUID
    copied = ("StudyInstanceUID", "FrameOfReferenceUID", "StudyDate", "StudyID", "AccessionNumber", "PatientID")
    values = {keyword: sent.get(keyword) for keyword in (*copied, "PatientName")}
    made = ct(**values | OWN | {"ContentDate": TODAY, "PatientBirthDate": "", **attributes})
    made.SourceImageSequence = Sequence([image])
    return made


@pytest.fixture
def sent(tmp_path: Path) -> tuple[Deidentified, Dataset]:
    result = run(tmp_path, ct(AcquisitionDateTime="20240312235959.5"), FIONA)
    return result, read(tmp_path, result)


def test_it_joins_its_study_and_points_at_what_was_sent(tmp_path: Path, sent: tuple[Deidentified, Dataset]) -> None:
    result, image = sent
    again = run(tmp_path, made_from(image, AcquisitionDateTime=image.AcquisitionDateTime), FIONA, known(result))
    written = read(tmp_path, again)
    stayed = ("StudyInstanceUID", "FrameOfReferenceUID", "StudyDate", "AcquisitionDateTime", "StudyID")
    for keyword in (*stayed, "AccessionNumber", "PatientID"):
        assert written[keyword].value == image[keyword].value, keyword
    assert written.SourceImageSequence[0].ReferencedSOPInstanceUID == image.SOPInstanceUID
    for keyword, value in OWN.items():
        assert written[keyword].value == SUBJECT.new_uid(value), keyword
    assert written.ContentDate == moved_day(SUBJECT, FIONA, TODAY)
    assert again.actions["P"] == 7
    assert "P" not in result.actions


def test_what_nobody_was_given_does_not_stay(tmp_path: Path, sent: tuple[Deidentified, Dataset]) -> None:
    result, image = sent
    strange = made_from(
        image, FrameOfReferenceUID="1.2.826.0.19700203.4", StudyDate="20240311", AccessionNumber="ACC4711X"
    )
    written = read(tmp_path, run(tmp_path, strange, FIONA, known(result)))
    assert written.FrameOfReferenceUID == image.FrameOfReferenceUID, "mapped, as it was before"
    assert written.StudyDate == image.StudyDate
    assert written.AccessionNumber == image.AccessionNumber
    plain = read(tmp_path, run(tmp_path, made_from(image), FIONA))
    assert plain.StudyInstanceUID != image.StudyInstanceUID
    assert plain.StudyDate != image.StudyDate


@pytest.mark.parametrize(
    ("value", "vr", "moved"),
    [
        (b"20240101", b"DA", b"20240101"),
        (b"20240102", b"DA", b"20231231"),
        (b"20240101\\20240102", b"DA", b"20240101\\20231231"),
        (b"20240101-20240102", b"DA", b"20240101-20231231"),
        (b"20240101101500.25+0100", b"DT", b"20240101101500.25+0100"),
        (b"202401", b"DT", b"202312"),
        (b"2023", b"DT", b"2023"),
    ],
)
def test_days_that_were_moved_before_are_not_moved_again(value: bytes, vr: bytes, moved: bytes) -> None:
    assert dates.shift(value, -2, vr, frozenset((b"20240101", b"2023"))) == moved


def test_the_days_of_what_was_written() -> None:
    found = [dates.days_in(value) for value in (b"20240101101500+0100", b"20240101\\20240203", b"202401", b"")]
    assert found == [[b"20240101"], [b"20240101", b"20240203"], [b"202401"], []]
