"""Drawings, waveforms, treatment plans and segments: geometry stays, words are cleaned or go."""

import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from deidentification import BASIC, CannotDeidentify, Option, Profile
from deidentification.profiles.model import Override, Replace
from tests.unit.deidentification.builders import SUBJECT, Bench, ct, encoded
from tests.unit.deidentification.test_content_reports import code, item

GRAPHICS = Profile(name="gsps", options=frozenset((Option.MODIFIED_DATES, Option.GRAPHICS)))
DESCRIBED = Profile(name="described", options=frozenset((Option.MODIFIED_DATES, Option.DESCRIPTORS)))


def drawing() -> bytes:
    """An image's presentation with one annotation on a layer that is called after the patient."""
    text = item(
        UnformattedTextValue="Nodule Nordmann", AnchorPoint=[1.0, 2.0], AnchorPointAnnotationUnits="PIXEL",
        AnchorPointVisibility="Y",
    )  # fmt: skip
    shape = item(GraphicAnnotationUnits="PIXEL", GraphicType="POLYLINE", GraphicData=[1.0, 2.0, 3.0, 4.0])
    annotation = item(
        GraphicLayer="NORDMANN KARI", TextObjectSequence=Sequence([text]), GraphicObjectSequence=Sequence([shape]),
        ReferencedImageSequence=Sequence([item(ReferencedSOPInstanceUID="1.2.826.0.19700203.3")]),
    )  # fmt: skip
    layers = [item(GraphicLayer="NORDMANN KARI", GraphicLayerOrder=1, GraphicLayerDescription="of Nordmann")]
    return encoded(ct(GraphicAnnotationSequence=Sequence([annotation]), GraphicLayerSequence=Sequence(layers)))


def test_drawings_are_cleaned_with_the_option(bench: Bench) -> None:
    after = bench.read(drawing(), GRAPHICS)
    annotation, layer = after.GraphicAnnotationSequence[0], after.GraphicLayerSequence[0]
    assert annotation.GraphicLayer == layer.GraphicLayer
    assert annotation.GraphicLayer.startswith("LAYER ")
    assert annotation.GraphicObjectSequence[0].GraphicData == [1.0, 2.0, 3.0, 4.0]
    assert annotation.GraphicObjectSequence[0].GraphicAnnotationUnits == "PIXEL"
    text = annotation.TextObjectSequence[0]
    assert (text.UnformattedTextValue, list(text.AnchorPoint)) == ("Nodule", [1.0, 2.0])
    assert annotation.ReferencedImageSequence[0].ReferencedSOPInstanceUID == SUBJECT.new_uid("1.2.826.0.19700203.3")


def test_drawings_go_without_the_option(bench: Bench) -> None:
    assert "GraphicAnnotationSequence" not in bench.read(drawing(), BASIC)


def test_layers_of_one_name_stay_one_layer(bench: Bench) -> None:
    first = bench.read(drawing(), GRAPHICS).GraphicLayerSequence[0].GraphicLayer
    again = bench.read(drawing(), GRAPHICS).GraphicLayerSequence[0].GraphicLayer
    assert first == again


def test_waveform_annotations_follow_structured_content(bench: Bench) -> None:
    note = item(UnformattedTextValue="Sinus rhythm Nordmann", AnnotationGroupNumber=1)
    coded = item(ConceptNameCodeSequence=code("8867-4", "Heart rate", "LN"), NumericValue="61")
    content = encoded(ct(WaveformAnnotationSequence=Sequence([note, coded])))
    structured = Profile(name="ecg", options=frozenset((Option.STRUCTURED_CONTENT,)))
    after = bench.read(content, structured).WaveformAnnotationSequence
    assert "Nordmann" not in after[0].UnformattedTextValue
    assert after[1].NumericValue == 61
    assert b"Sinus" not in bench.written(content, BASIC)


def test_names_in_plans_are_cleaned_with_clean_descriptors(bench: Bench) -> None:
    data = ct(RTPlanName="Prostate Nordmann", RTPlanLabel="Prostate")
    roi = Dataset()
    roi.ROINumber, roi.ROIName = 1, "Bladder Nordmann"
    data.StructureSetROISequence = Sequence([roi])
    after = bench.read(encoded(data), DESCRIBED)
    assert (after.RTPlanName, after.RTPlanLabel) == ("Prostate", "Prostate")
    assert (after.StructureSetROISequence[0].ROINumber, after.StructureSetROISequence[0].ROIName) == (1, "Bladder")
    basic = bench.read(encoded(data), BASIC)
    assert "RTPlanName" not in basic
    assert basic.StructureSetROISequence[0].ROIName == ""


def test_short_texts_that_no_row_lists_are_cleaned_unless_a_machine_wrote_them(bench: Bench) -> None:
    segment = item(SegmentNumber=1, SegmentLabel="Liver Nordmann", SegmentAlgorithmName="nnU-Net v2 xyz")
    data = ct(
        SegmentSequence=Sequence([segment, item(SegmentNumber=2, SegmentLabel="Nordmann")]),
        Manufacturer="Makerson", ManufacturerModelName="Qwertyscan 9", SoftwareVersions="VA44A",
        ConvolutionKernel="Br40d", PaddleDescription="XQ", ImageSetLabel=None,
    )  # fmt: skip
    after = bench.read(encoded(data))
    assert [each.SegmentLabel for each in after.SegmentSequence] == ["Liver", "ANONYMIZED"]
    assert after.SegmentSequence[0].SegmentAlgorithmName == "nnU-Net v2 xyz"
    assert (after.Manufacturer, after.ManufacturerModelName) == ("Makerson", "Qwertyscan 9")
    assert (after.SoftwareVersions, after.ConvolutionKernel) == ("VA44A", "Br40d")


def test_a_projects_own_rule_comes_before_the_cleaner(bench: Bench) -> None:
    own = Override(tag=0x00620005, action=Replace(value="{participant} segment"))
    profile = Profile(name="own", attributes=(own,))
    data = encoded(ct(SegmentSequence=Sequence([item(SegmentNumber=1, SegmentLabel="Liver")])))
    assert bench.read(data, profile).SegmentSequence[0].SegmentLabel == "NOR_001 segment"


def test_terms_are_checked_against_their_lists(bench: Bench) -> None:
    assert bench.read(encoded(ct(Modality="NORDMANN"))).Modality == "OT"
    misspelled = encoded(ct()).replace(b"ISO_IR 100", b"ISO-IR 100")
    assert bench.read(misspelled).SpecificCharacterSet == "ISO_IR 100"
    unknown = encoded(ct()).replace(b"ISO_IR 100", b"KARI NORDM")
    with pytest.raises(CannotDeidentify, match="character-set"):
        bench.written(unknown)
