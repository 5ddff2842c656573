"""What the profile `basic` makes of a sound object."""

import os
import pickle
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from deidentification import BASIC, CannotDeidentify, Deidentified, Option, Profile, Subject, deidentify, deidentify_all
from tests.unit.deidentification.builders import CT, KEY, SUBJECT, Bench, ct, encoded

SYNTAXES = [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian]


def item(**attributes: object) -> Dataset:
    """A sequence item."""
    data = Dataset()
    for keyword, value in attributes.items():
        setattr(data, keyword, value)
    return data


@pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda syntax: syntax.name)
def test_carriers_and_method_are_set(bench: Bench, syntax: pydicom.uid.UID) -> None:
    source = ct()
    if not syntax.is_little_endian:
        source["PixelData"].VR = "OW"
    after = bench.read(encoded(source, syntax))
    assert after.InstitutionName == after.ClinicalTrialProtocolID == after.ClinicalTrialProtocolName == "NORSTUDY"
    assert str(after.PatientName) == after.PatientID == after.ClinicalTrialSubjectID == "NOR_001"
    assert after.ClinicalTrialTimePointID == after.ClinicalTrialTimePointDescription == "baseline"
    assert str(after.ReferringPhysicianName) == "EventName:baseline"
    assert after.ReasonForTheImagingServiceRequest == after.ReasonForTheRequestedProcedure == "EventName:baseline"
    assert after.PatientIdentityRemoved == "YES"
    assert after.LongitudinalTemporalInformationModified == "MODIFIED"
    assert "BurnedInAnnotation" not in after
    codes = [(code.CodeValue, code.CodingSchemeDesignator) for code in after.DeidentificationMethodCodeSequence]
    assert codes == [("113100", "DCM"), ("113107", "DCM")]
    method = after.DeidentificationMethod
    assert [value for value in method if len(value) > 64] == []
    assert "basic 1" in method[0]
    assert after.PatientBirthDate == after.PatientSex == after.AccessionNumber == ""
    assert after.PixelData == source.PixelData


def test_file_meta_and_preamble_are_new(bench: Bench) -> None:
    content = bytearray(encoded(ct()))
    content[:128] = b"NORDMANN KARI 03027012345".ljust(128, b"!")
    output = bench.written(bytes(content))
    assert output[:132] == bytes(128) + b"DICM"
    meta = pydicom.dcmread(BytesIO(output)).file_meta
    assert "SourceApplicationEntityTitle" not in meta
    assert meta.ImplementationClassUID.startswith("2.25.")
    assert meta.ImplementationVersionName == "FIONA"
    assert b"NORDMANN" not in output


def test_references_stay_consistent_across_objects(bench: Bench) -> None:
    image = bench.read(encoded(ct()))
    other = ct(SOPInstanceUID="1.2.826.0.19700203.9", SOPClassUID="1.2.840.10008.5.1.4.1.1.481.3", Modality="RTSTRUCT")
    contour = item(ReferencedSOPClassUID=CT, ReferencedSOPInstanceUID="1.2.826.0.19700203.3")
    frame = item(FrameOfReferenceUID="1.2.826.0.19700203.4")
    frame.RTReferencedStudySequence = Sequence([item(ContourImageSequence=Sequence([contour]))])
    other.ReferencedFrameOfReferenceSequence = Sequence([frame])
    other.ReferencedImageSequence = Sequence([contour])
    other.FailedSOPInstanceUIDList = ["1.2.826.0.19700203.3", "1.2.826.0.19700203.2"]
    after = bench.read(encoded(other))
    reference = after.ReferencedFrameOfReferenceSequence[0]
    assert reference.FrameOfReferenceUID == image.FrameOfReferenceUID != "1.2.826.0.19700203.4"
    nested = reference.RTReferencedStudySequence[0].ContourImageSequence[0]
    assert nested.ReferencedSOPInstanceUID == image.SOPInstanceUID
    assert after.ReferencedImageSequence[0].ReferencedSOPInstanceUID == image.SOPInstanceUID
    assert nested.ReferencedSOPClassUID == CT
    assert list(after.FailedSOPInstanceUIDList) == [image.SOPInstanceUID, image.SeriesInstanceUID]


def test_standard_uids_stay(bench: Bench) -> None:
    well_known = "1.2.840.10008.1.4.1.1"
    after = bench.read(encoded(ct(FrameOfReferenceUID=well_known)))
    assert after.FrameOfReferenceUID == well_known
    assert after.SOPClassUID == CT


def test_dates_move_together_at_every_depth(bench: Bench) -> None:
    drug = item(
        RadiopharmaceuticalStartDateTime="20240311093000.250000+0100",
        RadiopharmaceuticalStartTime="093000.25",
        Radiopharmaceutical="FDG",
        RadionuclideTotalDose="3.5e8",
    )
    subject = Subject("P", "S", "e", KEY, date_shift_days=-100)
    data = ct(
        SeriesDate="20240311",
        AcquisitionDateTime="20240311101010.500000",
        RadiopharmaceuticalInformationSequence=Sequence([drug]),
        ContentTime="101010.5",
        ScheduledStudyStartDate="20240301",
        DateOfLastCalibration=["20240310", "20240101"],
    )
    after = bench.read(encoded(data), subject=subject)
    nested = after.RadiopharmaceuticalInformationSequence[0]
    assert after.StudyDate == after.SeriesDate == "20231202"
    assert after.AcquisitionDateTime == "20231202101010.500000"
    assert nested.RadiopharmaceuticalStartDateTime == "20231202093000.250000+0100"
    assert nested.RadiopharmaceuticalStartTime == "093000.25"
    assert nested.RadionuclideTotalDose == 3.5e8
    assert after.ContentTime == "101010.5"
    assert after.DateOfLastCalibration == ["20231201", "20230923"]


def test_a_public_constant_does_not_tell_the_shift(bench: Bench) -> None:
    code = item(CodeValue="T-D1100", CodingSchemeDesignator="SRT", CodeMeaning="Head", ContextGroupVersion="20020904")
    code.ContextIdentifier = "4031"
    after = bench.read(encoded(ct(AnatomicRegionSequence=Sequence([code]))))
    assert after.AnatomicRegionSequence[0].ContextGroupVersion == "20020904"


def test_research_values_survive(bench: Bench) -> None:
    after = bench.read(
        encoded(
            ct(
                KVP="120", SliceThickness="1.25", ImageType=["ORIGINAL", "PRIMARY", "AXIAL", "CT_SOM5 SPI"],
                ConvolutionKernel=["Br40d", "3"], Manufacturer="Maker", ImagePositionPatient=[1.5, -2, 3],
                SoftwareVersions="VA44", CTDIvol=7.25, ProcedureCodeSequence=None,
            )
        )
    )  # fmt: skip
    assert (after.KVP, after.SliceThickness, after.CTDIvol, after.Manufacturer) == (120, 1.25, 7.25, "Maker")
    assert list(after.ImageType) == ["ORIGINAL", "PRIMARY", "AXIAL", "CT_SOM5 SPI"]
    assert list(after.ImagePositionPatient) == [1.5, -2, 3]


def test_safe_private_needs_its_option_and_the_right_creator(bench: Bench) -> None:
    data = ct()
    block = data.private_block(0x7053, "Philips PET Private Group", create=True)
    block.add_new(0x00, "DS", "0.000551")
    block.add_new(0x03, "ST", "NORDMANN KARI")
    wrong = data.private_block(0x7053, "Somebody Else", create=True)
    wrong.add_new(0x00, "DS", "0.5")
    content = encoded(data)
    assert not [element for element in bench.read(content) if element.tag.is_private]
    safe = Profile(name="basic", options=frozenset((Option.MODIFIED_DATES, Option.SAFE_PRIVATE)))
    kept = [(element.tag, element.value) for element in bench.read(content, safe) if element.tag.is_private]
    assert kept == [(0x70530010, "Philips PET Private Group"), (0x70531000, 0.000551)]
    codes = [code.CodeValue for code in bench.read(content, safe).DeidentificationMethodCodeSequence]
    assert codes == ["113100", "113107", "113111"]


def test_structured_report_keeps_numbers_and_loses_text(bench: Bench) -> None:
    def content(kind: str, code: str, **values: object) -> Dataset:
        name = item(CodeValue=code, CodingSchemeDesignator="DCM", CodeMeaning="x")
        return item(ValueType=kind, ConceptNameCodeSequence=Sequence([name]), **values)

    number = item(NumericValue="42.5")
    parts = [
        content("TEXT", "121071", TextValue="Kari Nordmann has a nodule"),
        content("PNAME", "121008", PersonName="Lege^Lise"),
        content("NUM", "121206", MeasuredValueSequence=Sequence([number])),
        content("TEXT", "121022", TextValue="ACC4711X"),
        content("UIDREF", "113769", UID="1.2.826.0.19700203.77"),
    ]
    after = bench.read(encoded(ct(ContentSequence=Sequence(parts))))
    kinds = [part.ValueType for part in after.ContentSequence]
    assert kinds == ["TEXT", "PNAME", "NUM", "UIDREF"]
    assert after.ContentSequence[0].TextValue == "ANONYMIZED"
    assert after.ContentSequence[2].MeasuredValueSequence[0].NumericValue == 42.5
    assert SUBJECT.new_uid("1.2.826.0.19700203.77") == after.ContentSequence[3].UID


@pytest.mark.parametrize(("character_set", "project"), [(None, "Målestudie"), ("ISO_IR 100", "Målestudie")])
def test_carriers_fit_the_character_set(bench: Bench, character_set: str | None, project: str) -> None:
    subject = Subject(project, "NOR_001", "baseline", KEY)
    data = ct(SpecificCharacterSet=character_set)
    assert bench.read(encoded(data), subject=subject).InstitutionName == project


def test_result_is_the_same_in_another_process(bench: Bench) -> None:
    content = encoded(ct())
    first = bench.written(content)
    code = (
        "import sys; from pathlib import Path; from tests.unit.deidentification.builders import SUBJECT\n"
        "from deidentification import BASIC, deidentify\n"
        "print(deidentify(Path(sys.argv[1]), Path(sys.argv[2]), SUBJECT, BASIC).path)"
    )
    other = bench.folder / "other"
    done = subprocess.run(
        [sys.executable, "-c", code, str(bench.folder / "input.dcm"), str(other)],
        check=True, capture_output=True, text=True, cwd=Path(__file__).parents[3],
    )  # fmt: skip
    assert (other / done.stdout.strip()).read_bytes() == first


def test_second_run_over_the_output_changes_only_pseudonyms(bench: Bench) -> None:
    subject = Subject("NORSTUDY", "NOR_001", "baseline", KEY, date_shift_days=0)
    first = bench.written(encoded(ct()), subject=subject)
    once = pydicom.dcmread(BytesIO(first))
    again = bench.read(first, subject=subject)
    changed = {element.keyword for element in again if element != once[element.tag]}
    assert changed == {"StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "FrameOfReferenceUID"}
    assert set(once.keys()) == set(again.keys())


def test_what_crosses_processes_is_picklable(bench: Bench) -> None:
    result = deidentify(bench.file(encoded(ct())), bench.out, SUBJECT, BASIC)
    for value in (SUBJECT, BASIC, result):
        assert pickle.loads(pickle.dumps(value)) == value
    refusal = CannotDeidentify("truncated", "why", ((0x00081140, 2), (0x00081155, None)))
    copy = pickle.loads(pickle.dumps(refusal))
    assert (str(copy), copy.where) == (str(refusal), "(0008,1140)[2].(0008,1155)")


def test_path_is_series_modality_instance(bench: Bench) -> None:
    content = encoded(ct(Modality="XX")).replace(b"CS\2\0XX", b"CS\2\0./")
    result = deidentify(bench.file(content), bench.out, SUBJECT, BASIC)
    series, sop = (SUBJECT.new_uid(f"1.2.826.0.19700203.{number}") for number in (2, 3))
    assert result.path.as_posix() == f"{series}/OT.{sop}.dcm"


@pytest.mark.parametrize(
    "wrong",
    [
        {"project": ""}, {"participant": "a\\b"}, {"participant": "a^b"}, {"event": "x" * 60}, {"key": b"short"},
        {"project": "x\n"},
    ],
)  # fmt: skip
def test_subject_refuses_what_dicom_cannot_hold(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        Subject(**{"project": "P", "participant": "S", "event": "e", "key": KEY, **wrong})  # type: ignore[arg-type]


def test_subject_does_not_show_its_key() -> None:
    assert KEY.hex() not in repr(SUBJECT)
    assert repr(KEY) not in repr(SUBJECT)


def test_durable_before_it_has_its_name(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    fsync, seen = os.fsync, list[list[str]]()

    def watched(fd: int) -> None:
        fsync(fd)
        seen.append([path.suffix for path in bench.out.rglob("*") if path.is_file()])

    monkeypatch.setattr(os, "fsync", watched)
    result = deidentify(bench.file(encoded(ct())), bench.out, SUBJECT, BASIC)
    assert seen == [[".part"], [".dcm"]], "the file, then the folder that names it"
    assert [path.name for path in bench.out.rglob("*") if path.is_file()] == [result.path.name]


def test_many_in_order_with_their_refusals(bench: Bench) -> None:
    paths = []
    for number in range(1, 41):
        paths.append(bench.folder / f"{number}.dcm")
        paths[-1].write_bytes(encoded(ct(SOPInstanceUID=f"1.2.826.0.19700203.{number}"))[: -8 if number == 7 else None])
    outcomes = list(deidentify_all(iter(paths), bench.out, SUBJECT, BASIC))
    assert [number for number, outcome in enumerate(outcomes, 1) if isinstance(outcome, CannotDeidentify)] == [7]
    done = [outcome for outcome in outcomes if isinstance(outcome, Deidentified)]
    assert [outcome.sop_instance_uid for outcome in done] == [
        SUBJECT.new_uid(f"1.2.826.0.19700203.{number}") for number in range(1, 41) if number != 7
    ]
    assert all((bench.out / outcome.path).exists() for outcome in done)


def test_an_output_that_cannot_be_written_is_no_refusal(bench: Bench) -> None:
    bench.out.write_text("a file where the folder must be")
    with pytest.raises(OSError, match=r"."):
        deidentify(bench.file(encoded(ct())), bench.out, SUBJECT, BASIC)


def test_components_of_a_code_string_stay_or_go_one_by_one(bench: Bench) -> None:
    content = encoded(ct(ImageType=["ORIGINAL", "PRIMARY", "AXIAL", "X"]))
    content = content.replace(b"ORIGINAL\\PRIMARY\\AXIAL\\X", b"ORIGINAL\\PRIMARY\\Kar^N\\X")
    assert b"ORIGINAL\\PRIMARY\\\\X" in bench.written(content)


def test_what_the_inserted_modules_demand_is_there(bench: Bench) -> None:
    after = bench.read(encoded(ct(Manufacturer=None)))
    assert after.Manufacturer == after.ClinicalTrialSiteID == after.ClinicalTrialSiteName == ""
    assert after.ClinicalTrialSponsorName == "NORSTUDY"
    assert bench.read(encoded(ct(Manufacturer="Maker"))).Manufacturer == "Maker"
