"""What a project asks for itself: literals, hashes, groups, ages, dates and UIDs in another scheme."""

import hashlib
import re

import pytest
from pydicom.sequence import Sequence

from deidentification import BASIC, Option, Profile, Subject
from deidentification.profiles.model import Clean, Dates, Empty, Groups, Hash, Keep, Override, PrivateElement, Replace
from tests.unit.deidentification.builders import KEY, SUBJECT, Bench, ct, encoded, raw
from tests.unit.deidentification.test_content_reports import item

MODIFIED = frozenset((Option.MODIFIED_DATES,))


def own(*overrides: Override, **more: object) -> Profile:
    """A profile with rules of its own."""
    return Profile(name="own", options=MODIFIED, attributes=overrides, **more)


def test_templates_name_the_subject_at_every_depth(bench: Bench) -> None:
    profile = own(
        Override(tag=0x00081030, action=Replace(value="{project} {event} of {participant}")),
        Override(tag=0x00200013, action=Replace(value="7"), nested=False),
    )
    inner = item(StudyDescription="of Nordmann", InstanceNumber="3")
    after = bench.read(encoded(ct(StudyDescription="x", InstanceNumber="1", SourceImageSequence=[inner])), profile)
    assert after.StudyDescription == "NORSTUDY baseline of NOR_001"
    assert after.SourceImageSequence[0].StudyDescription == "NORSTUDY baseline of NOR_001"
    assert (after.InstanceNumber, after.SourceImageSequence[0].InstanceNumber) == (7, 3)


def test_hashes_are_keyed_and_fit_their_vr(bench: Bench) -> None:
    profile = own(*(Override(tag=tag, action=Hash()) for tag in (0x00080050, 0x00200010, 0x00181000)))
    data = encoded(ct(StudyID="77", DeviceSerialNumber="77"))
    after = bench.read(data, profile)
    assert re.fullmatch("[0-9A-F]{16}", after.AccessionNumber)
    assert after.DeviceSerialNumber[:16] == after.StudyID != hashlib.sha256(b"77").hexdigest()[:16].upper()
    assert len(after.DeviceSerialNumber) == 64
    other = Subject("NORSTUDY", "NOR_002", "later", bytes(32))
    assert bench.read(data, profile, other).StudyID != after.StudyID
    same_key = Subject("NORSTUDY", "NOR_002", "later", KEY)
    assert bench.read(data, profile, same_key).StudyID == after.StudyID


def test_groups_are_joined_and_what_does_not_match_is_empty(bench: Bench) -> None:
    profile = own(Override(tag=0x0008103E, action=Groups(pattern=r"(t[12]w?).*?(ax|sag|cor)")))
    assert bench.read(encoded(ct(SeriesDescription="t1 æøå Nordmann sag")), profile).SeriesDescription == "t1 sag"
    assert bench.read(encoded(ct(SeriesDescription="localizer")), profile).SeriesDescription == ""


@pytest.mark.parametrize(
    ("age", "written"),
    [("089Y", "089Y"), ("090Y", "090Y"), ("101Y", "090Y"), ("999M", "999M"), ("014D", "014D"), ("", "")],
)
def test_nobody_is_older_than_ninety(bench: Bench, age: str, written: str) -> None:
    profile = Profile(name="age", options=frozenset((Option.PATIENT_CHARACTERISTICS,)))
    assert bench.read(encoded(ct(PatientAge=age)), profile).PatientAge == written


def test_keep_empty_and_clean(bench: Bench) -> None:
    profile = own(
        Override(tag=0x00081010, action=Keep()),
        Override(tag=0x00080070, action=Empty()),
        Override(tag=0x00081030, action=Clean()),
    )
    after = bench.read(
        encoded(ct(StationName="CT0815", Manufacturer="M", StudyDescription="Thorax 11.3.2024")), profile
    )
    assert (after.StationName, after.Manufacturer) == ("CT0815", "")
    assert after.StudyDescription.startswith("Thorax")
    assert "11.3.2024" not in after.StudyDescription


def test_one_fixed_number_of_days(bench: Bench) -> None:
    profile = BASIC.model_copy(update={"dates": Dates(shift="fixed", days=-42)})
    assert bench.read(encoded(ct()), profile).StudyDate == "20240129"
    given = Subject("P", "S", "e", KEY, date_shift_days=-1)
    assert bench.read(encoded(ct()), profile, given).StudyDate == "20240310"


def test_full_dates_and_uids_stay_with_their_options(bench: Bench) -> None:
    profile = Profile(name="keeps", options=frozenset((Option.FULL_DATES, Option.UIDS)))
    after = bench.read(encoded(ct(AcquisitionDateTime="20240311101010+0100")), profile)
    assert (after.StudyDate, after.AcquisitionDateTime) == ("20240311", "20240311101010+0100")
    assert after.LongitudinalTemporalInformationModified == "UNMODIFIED"
    assert after.StudyInstanceUID == "1.2.826.0.19700203.1"
    assert after.file_meta.MediaStorageSOPInstanceUID == after.SOPInstanceUID == "1.2.826.0.19700203.3"


def test_uids_as_the_original_made_them(bench: Bench) -> None:
    """SHA-256 over the stored bytes (even, so with a NUL) and the project, in digits: known from an earlier system."""
    profile = BASIC.model_copy(update={"uids": "original"})

    def expected(old: str) -> str:
        stored = old.encode() + b"\0" * (len(old) % 2)
        digits = "".join(str(int(each, 16) % 10) for each in hashlib.sha256(stored + b"NORSTUDY").hexdigest())
        return ("1.3.6.1.4.1.45037." + digits)[:63]

    reference = item(ReferencedSOPClassUID="1.2.840.10008.5.1.4.1.1.2", ReferencedSOPInstanceUID="1.2.826.0.19700203.3")
    after = bench.read(encoded(ct(ReferencedImageSequence=Sequence([reference]))), profile)
    assert (
        after.StudyInstanceUID
        == expected("1.2.826.0.19700203.1")
        == SUBJECT.new_uid("1.2.826.0.19700203.1", "original")
    )
    assert after.ReferencedImageSequence[0].ReferencedSOPInstanceUID == after.SOPInstanceUID
    assert len(after.SOPInstanceUID) == 63


def test_private_elements_of_the_projects_choice(bench: Bench) -> None:
    data = ct()
    block = data.private_block(0x0019, "MAKER CT", create=True)
    block.add_new(0x01, "DS", "1.5")
    block.add_new(0x02, "LO", "kept word")
    block.add_new(0x03, "DA", "20240311")
    block.add_new(0x04, "UI", "1.2.826.0.19700203.1")
    block.add_new(0x05, "PN", "Nobody^Kept")
    data.private_block(0x0019, "OTHER", create=True).add_new(0x01, "DS", "2.5")
    profile = own(private=(PrivateElement(creator="MAKER CT", group=0x0019),))
    after = bench.read(encoded(data), profile)
    kept = {element.tag: element.value for element in after if element.tag.is_private}
    assert kept == {
        0x00190010: "MAKER CT", 0x00191001: 1.5, 0x00191002: "kept word", 0x00191003: after.StudyDate,
        0x00191004: after.StudyInstanceUID,
    }  # fmt: skip
    one = own(private=(PrivateElement(creator="MAKER CT", group=0x0019, element=0x02),))
    assert [element.tag for element in bench.read(encoded(data), one) if element.tag.is_private] == [
        0x00190010,
        0x00191002,
    ]


@pytest.mark.parametrize("options", [frozenset((Option.MODIFIED_DATES,)), frozenset((Option.FULL_DATES,))])
def test_private_dates_and_times_stay_only_in_their_shape(bench: Bench, options: frozenset[Option]) -> None:
    private = (
        (0x00190010, b"LO", b"MAKER CT"), (0x00191001, b"TM", b"101010.5"), (0x00191002, b"TM", b"Bakke, K"),
        (0x00191003, b"DA", b"BakkeK"), (0x00191004, b"DT", b"Kari Bakke"),
    )  # fmt: skip
    content = encoded(ct())
    at = content.index(raw(0x0020000D, b"UI", b"")[:6])
    content = content[:at] + b"".join([raw(*each) for each in private]) + content[at:]
    profile = Profile(name="own", options=options, private=(PrivateElement(creator="MAKER CT", group=0x0019),))
    after = bench.read(content, profile)
    assert [element.tag for element in after if element.tag.is_private] == [0x00190010, 0x00191001]
