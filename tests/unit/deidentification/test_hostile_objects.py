"""Objects that are more than a picture: their text is gone, their geometry, numbers and references are whole."""

from functools import cache
from io import BytesIO
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset

from deidentification import CannotDeidentify, Option, Profile, Subject, deidentify
from deidentification.errors import LeftOut
from deidentification.profiles.model import Documents
from tests.unit.deidentification import study
from tests.unit.deidentification.builders import KEY, Bench
from tests.unit.deidentification.hostile import BASIC
from tests.unit.deidentification.study_documents import LENGTH
from tests.unit.deidentification.study_objects import CONTOUR
from tests.unit.deidentification.study_patient import STUDY_DATE, leaks, written

SUBJECT = Subject("NORSTUDY", "NOR_001", "baseline", KEY, date_shift_days=-100)
CLEANED = BASIC.model_copy(
    update={"options": BASIC.options | {Option.DESCRIPTORS, Option.STRUCTURED_CONTENT, Option.GRAPHICS}}
)
MAY_PASS = [
    name for name in study.OBJECTS if name not in ("us", "sc", "slide-label", "slide-overview", "pdf", "cda", "stl")
]


@cache
def source(name: str) -> Dataset:
    """The object as it came."""
    return pydicom.dcmread(BytesIO(study.encoded(name)))


def after(bench: Bench, name: str, profile: Profile = BASIC) -> Dataset:
    """The object as it leaves, free of leaks."""
    content = bench.written(study.encoded(name), profile, SUBJECT)
    assert leaks(content) == []
    return pydicom.dcmread(BytesIO(content))


@pytest.mark.parametrize("profile", [BASIC, CLEANED], ids=["basic", "cleaned"])
@pytest.mark.parametrize("name", MAY_PASS)
def test_object_passes_without_its_patient(bench: Bench, name: str, profile: Profile) -> None:
    """Every identifying text, date and UID of the source is gone, at every depth and in every encoding."""
    result = after(bench, name, profile)
    assert result.StudyDate == "20231202"
    moved = [element for element in result.iterall() if element.VR in ("DA", "DT") and STUDY_DATE in str(element.value)]
    assert moved == []


@pytest.mark.parametrize("name", [name for name in study.OBJECTS if name not in MAY_PASS])
def test_object_stays(bench: Bench, name: str) -> None:
    with pytest.raises((CannotDeidentify, LeftOut)) as stays:
        bench.written(study.encoded(name))
    assert not leaks(repr(stays.value.args).encode())
    assert not [left for left in bench.out.rglob("*") if left.is_file()]


def test_rt_geometry_is_intact(bench: Bench) -> None:
    structures = after(bench, "rtstruct")
    assert [list(contour.ContourData) for contour in structures.ROIContourSequence[0].ContourSequence] == [CONTOUR] * 3
    assert structures.StructureSetROISequence[0].ROINumber == 1
    assert structures.RTROIObservationsSequence[0].RTROIInterpretedType == "GTV"
    plan = after(bench, "rtplan")
    beam = plan.BeamSequence[0]
    assert list(beam.ControlPointSequence[0].IsocenterPosition) == [1.5, 2.5, -900.0]
    assert beam.ControlPointSequence[0].GantryAngle == 180
    assert plan.FractionGroupSequence[0].ReferencedBeamSequence[0].BeamMeterset == 120
    assert plan.ReferencedStructureSetSequence[0].ReferencedSOPInstanceUID == structures.SOPInstanceUID


def test_report_keeps_numbers_codes_and_geometry(bench: Bench) -> None:
    for profile in (BASIC, CLEANED):
        report = after(bench, "sr", profile)
        numbers = [element.value for element in report.iterall() if element.keyword == "NumericValue"]
        assert [str(number) for number in numbers] == [LENGTH]
        points = [list(element.value) for element in report.iterall() if element.keyword == "GraphicData"]
        assert points == [[4.0, 4.0, 12.5, 12.5]]
        codes = {element.value for element in report.iterall() if element.keyword == "CodeValue"}
        assert {"126000", "121071", "410668003", "27925004", "mm"} <= codes
        names = [str(element.value) for element in report.iterall() if element.VR == "PN"]
        assert not [name for name in names if name not in ("", "NOR_001", "ANONYMIZED", f"EventName:{SUBJECT.event}")]


def test_graphics_keep_their_geometry_and_their_layers(bench: Bench) -> None:
    for profile in (BASIC, CLEANED):
        state = after(bench, "pr", profile)
        layers = [layer.GraphicLayer for layer in state.GraphicLayerSequence]
        annotations = state.get("GraphicAnnotationSequence", [])
        assert all(annotation.GraphicLayer in layers for annotation in annotations)
        assert state.PresentationLUTShape == "IDENTITY"
    assert [list(graphic.GraphicData) for graphic in annotations[0].GraphicObjectSequence] == [[4, 4, 12, 12]]


def test_text_of_a_finding_is_kept_without_the_patient_when_cleaned(bench: Bench) -> None:
    report = after(bench, "sr", CLEANED)
    texts = [element.value for element in report.iterall() if element.keyword == "TextValue"]
    assert any("nodule" in text for text in texts)


def test_waveform_samples_stay(bench: Bench) -> None:
    result, before = after(bench, "ecg"), source("ecg")
    assert result.WaveformSequence[0].WaveformData == before.WaveformSequence[0].WaveformData
    assert result.WaveformSequence[0].SamplingFrequency == 500
    assert result.WaveformSequence[0].ChannelDefinitionSequence[0].ChannelSensitivity == 1


@pytest.mark.parametrize("policy", ["drop", "dummy", "hold"])
@pytest.mark.parametrize("name", ["pdf", "cda", "stl"])
def test_documents_by_policy(bench: Bench, name: str, policy: str) -> None:
    documents = Documents.model_validate({"pdf": policy, "cda": policy, "model": policy})
    profile = BASIC.model_copy(update={"documents": documents})
    path = bench.file(study.encoded(name))
    if policy == "dummy":
        result = deidentify(path, bench.out, SUBJECT, profile)
        content = (bench.out / result.path).read_bytes()
        assert leaks(content) == []
        document = pydicom.dcmread(BytesIO(content))
        assert document.SOPClassUID == source(name).SOPClassUID
        assert document.EncapsulatedDocument
    else:
        with pytest.raises(LeftOut if policy == "drop" else CannotDeidentify) as stays:
            deidentify(path, bench.out, SUBJECT, profile)
        assert not leaks(repr(stays.value.args).encode())
        assert not [left for left in bench.out.rglob("*") if left.is_file()]


NAMED = {
    "seg": "SegmentSequence[0].SegmentLabel",
    "ecg": "WaveformSequence[0].ChannelDefinitionSequence[0].ChannelSourceSequence[0].CodeMeaning",
    "rtstruct": "ApprovalStatus",
    "sr": "ConceptNameCodeSequence[0].CodeMeaning",
    "enhanced-mr": "ContentQualification",
    "ct1": "ConvolutionKernel",
    "pet": "RadiopharmaceuticalInformationSequence[0].Radiopharmaceutical",
    "slide-volume": "OpticalPathSequence[0].OpticalPathIdentifier",
    "rtplan": "BeamSequence[0].RadiationType",
}


@pytest.mark.parametrize("profile", [BASIC, CLEANED], ids=["basic", "cleaned"])
@pytest.mark.parametrize("name", NAMED)
def test_a_name_where_nobody_expects_one(bench: Bench, name: str, profile: Profile) -> None:
    data = study.OBJECTS[name]()
    *path, keyword = NAMED[name].split(".")
    place = data
    for step in path:
        sequence, index = step.rstrip("]").split("[")
        place = place[sequence][int(index)]
    setattr(place, keyword, "ZQVISTGAARD")
    try:
        content = bench.written(written(data), profile, SUBJECT)
    except CannotDeidentify as refusal:
        left = [path for path in Path(bench.out).rglob("*") if path.is_file()]
        assert (left, leaks(repr(refusal.args).encode())) == ([], [])  # noqa: PT017
    else:
        assert leaks(content) == []
