"""Identity in disguise: UIDs, ages, serials, titles, time zones, earlier values, signatures, and private elements."""

from io import BytesIO

import pydicom
import pytest

from deidentification import Option, Profile
from tests.unit.deidentification.builders import SUBJECT, Bench, before_pixels, ct, encoded, raw
from tests.unit.deidentification.hostile import BASIC, SECRET, open_sequence, sequence, verdict

UID = b"1.2.826.0.19700203.7"
SAFE = BASIC.model_copy(update={"options": BASIC.options | {Option.SAFE_PRIVATE}})
CHARACTERISTICS = BASIC.model_copy(update={"options": BASIC.options | {Option.PATIENT_CHARACTERISTICS}})
DEVICE = BASIC.model_copy(update={"options": BASIC.options | {Option.DEVICE}})
UIDS = (
    0x00080014, 0x00080018, 0x00081155, 0x00081195, 0x00083010, 0x00181002, 0x0020000D, 0x00200052, 0x00200200,
    0x00209161, 0x00209164, 0x00209312, 0x00281199, 0x00281214, 0x00404023, 0x0040A124, 0x0040A171, 0x00620021,
    0x00640003, 0x00701101, 0x0070031A, 0x00880140, 0x04000100, 0x30060024, 0x300600C2, 0x300A0013, 0x300A0650,
    0x00080058, 0x0008010D, 0x300A0083, 0x0040DB0C,
)  # fmt: skip


@pytest.mark.parametrize("tag", UIDS, ids=lambda tag: f"{tag:08X}")
@pytest.mark.parametrize("value", [UID, UID + b"\\1.2.840.10008.1.2\\" + UID + b".1", b" " + UID + b"  \0"])
def test_a_birth_date_in_a_uid(bench: Bench, tag: int, value: bytes) -> None:
    value += b"\0" * (len(value) % 2)
    verdict(bench, before_pixels(encoded(ct()), raw(tag, b"UI", value)), UID)
    verdict(bench, before_pixels(encoded(ct()), open_sequence(0x00081140, raw(tag, b"UI", value))), UID)
    verdict(bench, before_pixels(encoded(ct()), open_sequence(0x52009230, raw(tag, b"UN", value))), UID)


@pytest.mark.parametrize("tag", [0x00080080, 0x00080070, 0x00080104, 0x00081030, 0x00200010, 0x00181030, 0x00280303])
def test_a_uid_of_the_object_in_a_text(bench: Bench, tag: int) -> None:
    for own in (b"1.2.826.0.19700203.1", b"1.2.826.0.19700203.3"):
        text = b"see " + own + b" " * (len(own) % 2)
        verdict(bench, before_pixels(encoded(ct()), sequence(0x00081140, raw(tag, b"LO", text))), own)


def test_uids_of_many_values_stay_consistent(bench: Bench) -> None:
    references = ["1.2.826.0.19700203.3", "1.2.840.10008.1.4.1.1", "1.2.826.0.19700203.1"]
    after = bench.read(encoded(ct(FailedSOPInstanceUIDList=references)))
    assert list(after.FailedSOPInstanceUIDList) == [after.SOPInstanceUID, references[1], after.StudyInstanceUID]


@pytest.mark.parametrize("age", ["091Y", "104Y", "999Y", "1092M"])
def test_ages_over_89(bench: Bench, age: str) -> None:
    content = encoded(ct(PatientAge=age if len(age) == 4 else None))
    if len(age) != 4:
        content = before_pixels(content, raw(0x00101010, b"AS", age.encode() + b" "))
    verdict(bench, content, age.encode())
    verdict(bench, content, age.encode(), profile=CHARACTERISTICS)
    verdict(
        bench,
        before_pixels(encoded(ct()), sequence(0x00081140, raw(0x00101010, b"AS", age.encode()[:4]))),
        age.encode()[:4],
        profile=CHARACTERISTICS,
    )


def test_an_age_up_to_89_is_kept_when_asked_for(bench: Bench) -> None:
    assert bench.read(encoded(ct(PatientAge="054Y")), CHARACTERISTICS).PatientAge == "054Y"
    assert not bench.read(encoded(ct(PatientAge="054Y"))).get("PatientAge")


@pytest.mark.parametrize(
    "text", ["Thorax 97 years", "Thorax age 97", "Thorax 97Y", "thorax, 97 yo", "AGE: 097Y Thorax"]
)
def test_an_age_over_89_in_a_text_that_is_cleaned(bench: Bench, text: str) -> None:
    """Safe Harbor: an age over 89 is an identifier wherever it stands."""
    cleaned = BASIC.model_copy(update={"options": BASIC.options | {Option.DESCRIPTORS, Option.PATIENT_CHARACTERISTICS}})
    content = encoded(ct(PatientAge="097Y", SeriesDescription=text))
    output = verdict(bench, content, b"097Y", profile=cleaned)
    if output is not None:
        assert "97" not in str(pydicom.dcmread(BytesIO(output)).get("SeriesDescription", ""))


@pytest.mark.parametrize("profile", [BASIC, CHARACTERISTICS], ids=["basic", "characteristics"])
@pytest.mark.parametrize("nested", [False, True])
def test_an_age_over_89_in_a_report(bench: Bench, nested: bool, profile: Profile) -> None:
    concept = (
        raw(0x00080100, b"SH", b"121033") + raw(0x00080102, b"SH", b"DCM ") + raw(0x00080104, b"LO", b"Subject Age ")
    )
    unit = raw(0x00080100, b"SH", b"a ") + raw(0x00080102, b"SH", b"UCUM") + raw(0x00080104, b"LO", b"year")
    amount = sequence(0x0040A300, sequence(0x004008EA, unit) + raw(0x0040A30A, b"DS", b"97"))
    number = sequence(0x0040A043, concept) + raw(0x0040A040, b"CS", b"NUM ") + amount
    content = sequence(0x0040A730, sequence(0x0040A730, number) if nested else number)
    verdict(bench, before_pixels(encoded(ct()), content), raw(0x0040A30A, b"DS", b"97"), profile=profile)


@pytest.mark.parametrize(
    ("tag", "vr"),
    [
        (0x00181000, b"LO"), (0x00181004, b"LO"), (0x00181005, b"LO"), (0x00181007, b"LO"), (0x00181008, b"LO"),
        (0x0018700A, b"SH"), (0x00189810, b"LO"), (0x00080054, b"AE"), (0x00400001, b"AE"), (0x00400241, b"AE"),
        (0x00020016, b"AE"), (0x00741234, b"AE"), (0x00081010, b"SH"), (0x00400010, b"SH"), (0x00400242, b"SH"),
        (0x00400253, b"SH"), (0x00400009, b"SH"), (0x00401001, b"SH"), (0x00080201, b"SH"), (0x00181009, b"UN"),
        (0x00500020, b"LO"), (0x30100043, b"LO"), (0x300A00B2, b"SH"), (0x30020020, b"SH"), (0x00400244, b"DA"),
    ],
    ids=lambda value: f"{value:08X}" if isinstance(value, int) else value.decode(),
)  # fmt: skip
def test_serials_titles_stations_and_steps(bench: Bench, tag: int, vr: bytes) -> None:
    for place in (
        raw(tag, vr, SECRET),
        sequence(0x00400275, raw(tag, vr, SECRET)),
        sequence(0x00081140, raw(tag, vr, SECRET)),
    ):
        assert verdict(bench, before_pixels(encoded(ct()), place), SECRET)


def test_a_serial_in_the_place_of_another_attribute(bench: Bench) -> None:
    """DeviceSerialNumber stands inside UIDs of real files, and in software versions."""
    content = encoded(
        ct(DeviceSerialNumber="77123499", SoftwareVersions=["VA1", "SN 77123499"], DeviceUID="1.2.77123499.1")
    )
    verdict(bench, content, b"77123499")


EARLIER = sequence(
    0x04000561,
    sequence(0x04000550, raw(0x00100010, b"PN", SECRET) + raw(0x00100020, b"LO", SECRET))
    + raw(0x04000562, b"DT", b"20240311101010")
    + raw(0x04000563, b"LO", SECRET)
    + raw(0x04000564, b"LO", SECRET)
    + raw(0x04000565, b"CS", b"COERCE"),
)
SIGNATURE = sequence(
    0xFFFAFFFA,
    raw(0x04000100, b"UI", UID) + raw(0x04000105, b"DT", b"20240311101010") + raw(0x04000115, b"OB", SECRET)
    + raw(0x04000120, b"OB", SECRET) + raw(0x04000305, b"CS", b"X ") + raw(0x04000310, b"OB", SECRET),
)  # fmt: skip
ENCRYPTED = sequence(0x04000500, raw(0x04000510, b"UI", UID) + raw(0x04000520, b"OB", SECRET))
MACS = sequence(0x4FFE0001, raw(0x04000005, b"US", b"\1\0") + raw(0x04000015, b"CS", SECRET))


@pytest.mark.parametrize("what", [EARLIER, SIGNATURE, ENCRYPTED, MACS, EARLIER + SIGNATURE], ids=range(5))
@pytest.mark.parametrize("profile", [BASIC, SAFE, CHARACTERISTICS], ids=["basic", "safe private", "characteristics"])
def test_earlier_values_and_signatures_go(bench: Bench, what: bytes, profile: Profile) -> None:
    for content in (what, sequence(0x00081140, what), sequence(0x52009230, sequence(0x00209111, what))):
        output = verdict(bench, before_pixels(encoded(ct()), content), SECRET, UID, profile=profile)
        assert output is not None
        after = pydicom.dcmread(BytesIO(output))
        assert not [element.tag for element in after.iterall() if element.tag.group in (0x0400, 0xFFFA, 0x4FFE)]


PHILIPS = b"Philips PET Private Group "
CREATOR, NUMBER = raw(0x70530010, b"LO", PHILIPS), raw(0x70531000, b"DS", b"1.5 ")
TEXT = raw(0x70531003, b"LO", SECRET)
DECLARED_SAFE = sequence(
    0x00080300,
    raw(0x00080301, b"US", b"\x53\x70") + raw(0x00080302, b"LO", PHILIPS) + raw(0x00080303, b"CS", b"SAFE"),
)
PRIVATE = {
    "unknown creator": raw(0x00190010, b"LO", b"NOBODY KNOWS") + raw(0x00191009, b"LO", SECRET),
    "no creator": NUMBER + TEXT,
    "creator that says who": raw(0x70530010, b"LO", SECRET) + NUMBER,
    "creator of another block": raw(0x70530011, b"LO", PHILIPS) + raw(0x70531000, b"LO", SECRET),
    "creator after its elements": raw(0x70531000, b"DS", SECRET) + CREATOR + TEXT,
    "creator in capitals": raw(0x70530010, b"LO", PHILIPS.upper()) + raw(0x70531000, b"LO", SECRET),
    "creator of two values": raw(0x70530010, b"LO", PHILIPS[:-1] + b"\\" + SECRET + b" ") + NUMBER,
    "creator outside the item": CREATOR + sequence(0x00081140, raw(0x70531000, b"LO", SECRET)),
    "creator as UN": raw(0x70530010, b"UN", SECRET) + raw(0x70531000, b"UN", SECRET),
    "unlisted element of a known creator": CREATOR + TEXT,
    "text in a listed number": CREATOR + raw(0x70531000, b"LO", SECRET) + raw(0x70531009, b"DS", SECRET),
    "text as UN in a listed number": CREATOR + raw(0x70531000, b"UN", SECRET),
    "listed number with a name behind it": CREATOR + raw(0x70531000, b"DS", b"1.5\0" + SECRET),
    "sequence in the place of a listed number": CREATOR + sequence(0x70531000, raw(0x00100010, b"PN", SECRET)),
    "self-declared safe block": DECLARED_SAFE + CREATOR + TEXT,
    "CSA header": raw(0x00290010, b"LO", b"SIEMENS CSA HEADER") + raw(0x00291010, b"OB", b"SV10\4\3\2\1" + SECRET),
    "Siemens text": raw(0x00210010, b"LO", b"SIEMENS MR SDS 01 ") + raw(0x00211019, b"LO", SECRET),
    "Philips echo": raw(0x20050010, b"LO", b"Philips MR Imaging DD 001 ") + raw(0x20051044, b"LO", SECRET),
    "GE echo": raw(0x00090010, b"LO", b"GEMS_IDEN_01") + raw(0x00091030, b"LO", SECRET),
    "group 1": raw(0x00010010, b"LO", SECRET) + raw(0x00011000, b"LO", SECRET),
    "illegal element": raw(0x70530001, b"LO", SECRET) + raw(0x705300FF, b"LO", SECRET) + raw(0x7053FFFF, b"LO", SECRET),
}


@pytest.mark.parametrize("place", PRIVATE)
def test_private_elements(bench: Bench, place: str) -> None:
    for content in (PRIVATE[place], sequence(0x00081140, PRIVATE[place])):
        for profile in (BASIC, SAFE):
            verdict(bench, before_pixels(encoded(ct()), content), SECRET, profile=profile)


def test_a_listed_number_is_kept_with_its_option(bench: Bench) -> None:
    content = before_pixels(encoded(ct()), CREATOR + NUMBER)
    plain, safe = (verdict(bench, content, profile=profile) for profile in (BASIC, SAFE))
    assert plain is not None
    assert safe is not None
    assert NUMBER in safe
    assert PHILIPS not in plain


def test_device_identity_may_be_retained(bench: Bench) -> None:
    after = bench.read(encoded(ct(DeviceSerialNumber="SN771234", PatientComments="ZQKANARI")), DEVICE)
    assert after.DeviceSerialNumber == "SN771234"
    assert "PatientComments" not in after
    assert after.PatientID == SUBJECT.participant
