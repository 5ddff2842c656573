"""The study's objects that point at its images: RT, segmentation, registration, presentation, key objects, ECG."""

import highdicom as hd
import numpy as np
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes

from tests.unit.deidentification.study_images import CT, PET, SIZE
from tests.unit.deidentification.study_patient import (
    FRAME,
    STUDY,
    STUDY_DATE,
    code,
    dataset,
    header,
    person,
    reference,
    uid,
)

RTSTRUCT, RTPLAN, SEG, REG, GSPS, KO, ECG = (
    f"1.2.840.10008.5.1.4.1.1.{kind}" for kind in ("481.3", "481.5", "66.4", "66.1", "11.1", "88.59", "9.1.1")
)
DETACHED_STUDY = "1.2.840.10008.3.1.2.3.1"
CONTOUR = [1.5, 2.5, -900.0, 5.5, 2.5, -900.0, 5.5, 7.5, -900.0]


def rtstruct(images: list[Dataset]) -> Dataset:
    """Contours on the CT, series 10: names of people in the names of regions."""
    contours = [
        dataset(
            ContourImageSequence=reference(CT, image.SOPInstanceUID),
            ContourGeometricType="CLOSED_PLANAR",
            NumberOfContourPoints=3,
            ContourData=CONTOUR,
        )
        for image in images
    ]
    series = dataset(
        SeriesInstanceUID=images[0].SeriesInstanceUID,
        ContourImageSequence=[reference(CT, image.SOPInstanceUID) for image in images],
    )
    return header(
        RTSTRUCT, "RTSTRUCT", 10, 1,
        StructureSetLabel="ZQ PLAN",
        StructureSetName="Zqvistgaard",
        StructureSetDescription="drawn by Zqlege",
        StructureSetDate=STUDY_DATE,
        StructureSetTime="235800",
        FrameOfReferenceUID=FRAME,
        PositionReferenceIndicator="",
        ReferencedFrameOfReferenceSequence=dataset(
            FrameOfReferenceUID=FRAME,
            RTReferencedStudySequence=reference(DETACHED_STUDY, STUDY, RTReferencedSeriesSequence=series),
        ),
        StructureSetROISequence=dataset(
            ROINumber="1",
            ReferencedFrameOfReferenceUID=FRAME,
            ROIName="Zqvistgaard GTV",
            ROIDescription="ZQ",
            ROIGenerationAlgorithm="MANUAL",
        ),
        ROIContourSequence=dataset(ROIDisplayColor=[255, 0, 0], ReferencedROINumber="1", ContourSequence=contours),
        RTROIObservationsSequence=dataset(
            ObservationNumber="1", ReferencedROINumber="1", ROIObservationLabel="ZQ", RTROIInterpretedType="GTV",
            ROIInterpreter="Zqlege^Lise",
        ),
        ApprovalStatus="APPROVED",
        ReviewDate=STUDY_DATE,
        ReviewTime="235900",
        ReviewerName="Zqlege^Lise",
    )  # fmt: skip


def rtplan() -> Dataset:
    """A short plan for the contours, series 11."""
    point = dataset(
        ControlPointIndex="0", NominalBeamEnergy="6", GantryAngle="180", GantryRotationDirection="NONE",
        BeamLimitingDeviceAngle="0", BeamLimitingDeviceRotationDirection="NONE",
        IsocenterPosition=[1.5, 2.5, -900.0], CumulativeMetersetWeight="0",
    )  # fmt: skip
    beam = dataset(
        BeamNumber="1", BeamName="ZQ BEAM", BeamDescription="for Zqvistgaard", BeamType="STATIC",
        RadiationType="PHOTON",
        TreatmentMachineName="ZQLINAC", SourceAxisDistance="1000", NumberOfControlPoints="2",
        ControlPointSequence=[point, dataset(ControlPointIndex="1", CumulativeMetersetWeight="1")],
        FinalCumulativeMetersetWeight="1", NumberOfWedges="0", NumberOfCompensators="0",
        NumberOfBoli="0", NumberOfBlocks="0",
        BeamLimitingDeviceSequence=dataset(RTBeamLimitingDeviceType="X", NumberOfLeafJawPairs="1"),
    )  # fmt: skip
    return header(
        RTPLAN, "RTPLAN", 11, 1,
        RTPlanLabel="ZQ PLAN",
        RTPlanName="Zqvistgaard",
        RTPlanDescription="as Zqlege wants",
        RTPlanDate=STUDY_DATE,
        RTPlanTime="235830",
        RTPlanGeometry="PATIENT",
        FrameOfReferenceUID=FRAME,
        PositionReferenceIndicator="",
        ReferencedStructureSetSequence=reference(RTSTRUCT, uid(10, 1)),
        FractionGroupSequence=dataset(
            FractionGroupNumber="1", NumberOfFractionsPlanned="30", NumberOfBeams="1",
            NumberOfBrachyApplicationSetups="0",
            ReferencedBeamSequence=dataset(ReferencedBeamNumber="1", BeamMeterset="120"),
        ),
        BeamSequence=beam,
        ApprovalStatus="UNAPPROVED",
    )  # fmt: skip


def adopt(data: Dataset, sop_class: str, modality: str, series: int) -> Dataset:
    """Another library's object with this study's whole header, so that nothing of it is of today."""
    own = header(sop_class, modality, series, 1)
    for element in own:
        data[element.tag] = element
    for element in [each for each in data if each.keyword in ("ContentCreatorName",)]:
        del data[element.tag]
    return data


def segmentation(images: list[Dataset]) -> Dataset:
    """One segment over the CT, series 12, as highdicom makes it."""
    mask = np.zeros((len(images), SIZE, SIZE), bool)
    mask[:, 8:16, 8:16] = True
    segment = hd.seg.SegmentDescription(
        1, "Tumor", codes.SCT.MorphologicallyAbnormalStructure, codes.SCT.Neoplasm, "MANUAL",
        tracking_uid=uid(12, 77), tracking_id="ZQTRACK",
    )  # fmt: skip
    made = hd.seg.Segmentation(
        images, mask, "BINARY", [segment], uid(12), 12, uid(12, 1), 1, "Makers", "Definitive", "VA44A", "ZQSN771234",
        content_label="ZQLABEL", content_description="drawn by Zqlege",
    )  # fmt: skip
    data = adopt(made, SEG, "SEG", 12)
    data.ContentCreatorName = "Zqlege^Lise"
    # What highdicom makes at random.
    data.DimensionOrganizationSequence[0].DimensionOrganizationUID = uid(12, 5)
    for each in data.DimensionIndexSequence:
        each.DimensionOrganizationUID = uid(12, 5)
    return data


def registration() -> Dataset:
    """The PET's frame of reference moved onto the CT's, series 13."""
    matrix = dataset(
        FrameOfReferenceTransformationMatrixType="RIGID",
        FrameOfReferenceTransformationMatrix=[1, 0, 0, 2.5, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1],
        FrameOfReferenceTransformationComment="by Zqlege",
    )
    item = dataset(
        FrameOfReferenceUID=FRAME,
        ReferencedImageSequence=reference(PET, uid(3, 1)),
        MatrixRegistrationSequence=dataset(MatrixSequence=matrix, RegistrationTypeCodeSequence=None),
    )
    return header(
        REG, "REG", 13, 1,
        ContentLabel="ZQREG",
        ContentDescription="of Zqvistgaard",
        ContentCreatorName="Zqlege^Lise",
        FrameOfReferenceUID=FRAME,
        PositionReferenceIndicator="",
        RegistrationSequence=item,
        ReferencedSeriesSequence=dataset(
            SeriesInstanceUID=uid(3), ReferencedInstanceSequence=reference(PET, uid(3, 1))
        ),
    )  # fmt: skip


def presentation(images: list[Dataset]) -> Dataset:
    """A softcopy presentation state with text and layers on the first slice, series 14."""
    image = images[0]
    target = reference(CT, image.SOPInstanceUID)
    text = dataset(
        UnformattedTextValue="Zqvistgaard's nodule 12 mm",
        BoundingBoxAnnotationUnits="PIXEL",
        BoundingBoxTopLeftHandCorner=[4.0, 4.0],
        BoundingBoxBottomRightHandCorner=[20.0, 10.0],
        BoundingBoxTextHorizontalJustification="LEFT",
    )
    graphic = dataset(
        GraphicAnnotationUnits="PIXEL", GraphicDimensions=2, NumberOfGraphicPoints=2,
        GraphicData=[4.0, 4.0, 12.0, 12.0], GraphicType="POLYLINE", GraphicFilled="N",
    )  # fmt: skip
    return header(
        GSPS, "PR", 14, 1,
        ContentLabel="ZQSTATE",
        ContentDescription="for Zqhenviser",
        ContentCreatorName="Zqlege^Lise",
        ContentCreatorIdentificationCodeSequence=person(3, "Zqlege"),
        PresentationCreationDate=STUDY_DATE,
        PresentationCreationTime="235900",
        ReferencedSeriesSequence=dataset(SeriesInstanceUID=image.SeriesInstanceUID, ReferencedImageSequence=target),
        DisplayedAreaSelectionSequence=dataset(
            ReferencedImageSequence=target, DisplayedAreaTopLeftHandCorner=[1, 1],
            DisplayedAreaBottomRightHandCorner=[SIZE, SIZE], PresentationSizeMode="SCALE TO FIT",
            PresentationPixelAspectRatio=["1", "1"],
        ),
        GraphicAnnotationSequence=dataset(
            ReferencedImageSequence=target, GraphicLayer="ZQLAYER", TextObjectSequence=text,
            GraphicObjectSequence=graphic,
        ),
        GraphicLayerSequence=dataset(
            GraphicLayer="ZQLAYER", GraphicLayerOrder="1", GraphicLayerDescription="drawn by Zqlege",
        ),
        SoftcopyVOILUTSequence=dataset(WindowCenter="40", WindowWidth="400", WindowCenterWidthExplanation="ZQ"),
        PresentationLUTShape="IDENTITY",
    )  # fmt: skip


def key_objects(images: list[Dataset]) -> Dataset:
    """The slices that somebody found worth a look, series 15."""
    evidence = dataset(
        StudyInstanceUID=STUDY,
        ReferencedSeriesSequence=dataset(
            SeriesInstanceUID=images[0].SeriesInstanceUID,
            ReferencedSOPSequence=[reference(CT, image.SOPInstanceUID) for image in images],
        ),
    )
    return header(
        KO, "KO", 15, 1,
        CurrentRequestedProcedureEvidenceSequence=evidence,
        ValueType="CONTAINER",
        ConceptNameCodeSequence=code("113000", "DCM", "Of Interest"),
        ContinuityOfContent="SEPARATE",
        ContentTemplateSequence=dataset(MappingResource="DCMR", TemplateIdentifier="2010"),
        ContentSequence=[
            dataset(
                RelationshipType="CONTAINS", ValueType="TEXT",
                ConceptNameCodeSequence=code("113012", "DCM", "Key Object Description"),
                TextValue="Zqlege finds this of interest",
            ),
            *(
                dataset(
                    RelationshipType="CONTAINS", ValueType="IMAGE",
                    ReferencedSOPSequence=reference(CT, image.SOPInstanceUID),
                )
                for image in images
            ),
        ],
    )  # fmt: skip


def ecg() -> Dataset:
    """A twelve-lead ECG of one lead, series 16, with annotations and a channel that bears a name."""
    channel = dataset(
        ChannelLabel="ZQ LEAD", ChannelSourceSequence=code("2:1", "MDC", "Lead I"), ChannelSensitivity="1",
        ChannelSensitivityUnitsSequence=code("uV", "UCUM", "microvolt"), ChannelSensitivityCorrectionFactor="1",
        ChannelBaseline="0", ChannelSampleSkew="0", WaveformBitsStored=16,
    )  # fmt: skip
    samples = (np.arange(100) % 50).astype("<i2").tobytes()
    group = dataset(
        WaveformOriginality="ORIGINAL", NumberOfWaveformChannels=1,
        NumberOfWaveformSamples=100, SamplingFrequency="500", MultiplexGroupLabel="ZQ RHYTHM",
        ChannelDefinitionSequence=channel, WaveformBitsAllocated=16, WaveformSampleInterpretation="SS",
    )  # fmt: skip
    group.add_new(0x54001010, "OW", samples)
    return header(
        ECG, "ECG", 16, 1,
        AcquisitionDateTime=f"{STUDY_DATE}235800",
        WaveformSequence=group,
        AcquisitionContextSequence=None,
        WaveformAnnotationSequence=[
            dataset(
                UnformattedTextValue="ECG of Zqvistgaard", ReferencedWaveformChannels=[1, 0], AnnotationGroupNumber=1
            ),
            dataset(
                ConceptNameCodeSequence=code("8867-4", "LN", "Heart rate"), NumericValue="72",
                MeasurementUnitsCodeSequence=code("/min", "UCUM", "per minute"), ReferencedWaveformChannels=[1, 0],
                AnnotationGroupNumber=2,
            ),
        ],
    )  # fmt: skip
