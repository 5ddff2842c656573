"""The study's images: CT, PET over midnight, enhanced MR, ultrasound, secondary capture, slide."""

from typing import Any, Final

import cv2
import numpy as np
from pydicom.dataset import Dataset

from tests.unit.deidentification.study_patient import (
    FRAME,
    NEXT_DATE,
    STUDY_DATE,
    code,
    dataset,
    header,
    reference,
    uid,
)

CT, PET, ENHANCED_MR, US, SC, SLIDE = (
    f"1.2.840.10008.5.1.4.1.1.{kind}" for kind in ("2", "128", "4.1", "6.1", "7", "77.1.6")
)
SIZE: Final = 32
SLICES: Final = 3
# (x, y, width, height): where the ultrasound image and the capture say who it is.
BURNED: Final = {"us": (8, 4, 340, 26), "sc": (20, 100, 340, 30)}
CHEST: Final = ("51185008", "SCT", "Chest")
SUV_FACTOR: Final = "0.000551"
TEXT: Final = "Zqvistgaard Karianne"


def pixels(data: Dataset, values: np.ndarray[Any, Any], **attributes: Any) -> None:
    """Pixel data and what describes it; bytes below 0x50 only, so that they never read as letters."""
    colour = values.shape[-1] == 3
    rows, columns = values.shape[-3:-1] if colour else values.shape[-2:]
    bits = values.dtype.itemsize * 8
    described = {
        "SamplesPerPixel": 3 if colour else 1,
        "PhotometricInterpretation": "RGB" if colour else "MONOCHROME2",
        "Rows": rows,
        "Columns": columns,
        "BitsAllocated": bits,
        "BitsStored": bits,
        "HighBit": bits - 1,
        "PixelRepresentation": 0,
        **({"PlanarConfiguration": 0} if colour else {}),
        **attributes,
    }
    for keyword, value in described.items():
        setattr(data, keyword, value)
    data.PixelData = values.tobytes()
    data["PixelData"].VR = "OW" if bits > 8 else "OB"


def noise(number: int, *shape: int, dtype: Any = np.uint16) -> np.ndarray[Any, Any]:
    """Pixels that are the same in every run."""
    values = np.random.default_rng(number).integers(0, 64, shape)
    return np.asarray(values * (257 if dtype is np.uint16 else 1) % (1 << 14), dtype=dtype)


def geometry(number: int) -> dict[str, Any]:
    """The plane of slice `number`."""
    return {
        "ImagePositionPatient": [-180.5, -176.25, -900.0 + number],
        "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
        "PixelSpacing": [0.7, 0.7],
        "SliceThickness": "1",
        "FrameOfReferenceUID": FRAME,
        "PositionReferenceIndicator": "",
    }


def ct(number: int) -> Dataset:
    """CT slice `number` of series 2."""
    data = header(
        CT, "CT", 2, number,
        ImageType=["ORIGINAL", "PRIMARY", "AXIAL"],
        AcquisitionDate=STUDY_DATE,
        AcquisitionTime=f"2358{number:02}.25",
        AcquisitionDateTime=f"{STUDY_DATE}2358{number:02}.25",
        BodyPartExamined="CHEST",
        PatientPosition="FFS",
        KVP="120",
        XRayTubeCurrent="220",
        ConvolutionKernel=["Br40d", "3"],
        ContrastBolusAgent="Omnipaque ZQ",
        AcquisitionNumber="2",
        RescaleIntercept="-1024",
        RescaleSlope="1",
        RescaleType="HU",
        WindowCenter="40",
        WindowWidth="400",
        SourceImageSequence=reference(CT, uid(2, number % SLICES + 1)),
        **geometry(number),
    )  # fmt: skip
    pixels(data, noise(number, SIZE, SIZE), BitsStored=14, HighBit=13)
    return data


def pet(number: int = 1) -> Dataset:
    """A PET slice of series 3, acquired after midnight of an injection before it."""
    drug = dataset(
        Radiopharmaceutical="FDG",
        RadiopharmaceuticalRoute="Intravenous",
        RadiopharmaceuticalStartTime="233000.5",
        RadiopharmaceuticalStartDateTime=f"{STUDY_DATE}233000.5",
        RadiopharmaceuticalStopDateTime=f"{STUDY_DATE}233030",
        RadionuclideTotalDose="350000000",
        RadionuclideHalfLife="6586.2",
        RadionuclidePositronFraction="0.97",
        RadionuclideCodeSequence=code("77004003", "SCT", "^18^Fluorine"),
    )
    data = header(
        PET, "PT", 3, number,
        ImageType=["ORIGINAL", "PRIMARY"],
        AcquisitionDate=NEXT_DATE,
        AcquisitionTime="003000.5",
        BodyPartExamined="CHEST",
        RadiopharmaceuticalInformationSequence=drug,
        CorrectedImage=["DECY", "ATTN"],
        CountsSource="EMISSION",
        DecayCorrection="START",
        DecayFactor="1.25",
        Units="BQML",
        SeriesType=["STATIC", "IMAGE"],
        NumberOfSlices=1,
        ImageIndex=number,
        FrameReferenceTime="0",
        ActualFrameDuration="120000",
        CollimatorType="NONE",
        RescaleIntercept="0",
        RescaleSlope="12.5",
        **geometry(number),
    )  # fmt: skip
    data.SeriesDate, data.SeriesTime = NEXT_DATE, "002900"
    data.PatientOrientationCodeSequence = None
    data.PatientGantryRelationshipCodeSequence = None
    block = data.private_block(0x7053, "Philips PET Private Group", create=True)
    block.add_new(0x00, "DS", SUV_FACTOR)
    pixels(data, noise(40 + number, SIZE, SIZE))
    return data


def enhanced_mr(frames: int = 3) -> Dataset:
    """An enhanced MR object of series 4 with dates, times, comments and labels in its per-frame groups."""
    data = header(
        ENHANCED_MR, "MR", 4, 1,
        ImageType=["ORIGINAL", "PRIMARY", "T1", "NONE"],
        AcquisitionDateTime=f"{STUDY_DATE}235800",
        AcquisitionDuration=12.5,
        ContentQualification="RESEARCH",
        ResonantNucleus="1H",
        MagneticFieldStrength="3",
        FrameOfReferenceUID=FRAME,
        NumberOfFrames=frames,
        ImageComments="ZQ moved",
        SynchronizationFrameOfReferenceUID=uid(5),
        SynchronizationTrigger="NO TRIGGER",
        AcquisitionTimeSynchronized="N",
        VolumetricProperties="VOLUME",
        **dimensions(uid(4, 9), 0x00209056, 0x00209057),
    )  # fmt: skip
    data.SharedFunctionalGroupsSequence = [
        dataset(
            PixelMeasuresSequence=dataset(PixelSpacing=[0.7, 0.7], SliceThickness="1"),
            PlaneOrientationSequence=dataset(ImageOrientationPatient=[1, 0, 0, 0, 1, 0]),
            FrameAnatomySequence=dataset(FrameLaterality="U", AnatomicRegionSequence=code(*CHEST)),
        )
    ]
    data.PerFrameFunctionalGroupsSequence = [
        dataset(
            FrameContentSequence=dataset(
                FrameAcquisitionDateTime=f"{STUDY_DATE}2358{number:02}.5",
                FrameReferenceDateTime=f"{STUDY_DATE}2358{number:02}.75",
                FrameComments="ZQ moved",
                FrameLabel="ZQ",
                StackID="1",
                InStackPositionNumber=number,
                DimensionIndexValues=[1, number],
            ),
            PlanePositionSequence=dataset(ImagePositionPatient=[-180.5, -176.25, -900.0 + number]),
            ReferencedImageSequence=reference(
                CT, uid(2, number), PurposeOfReferenceCodeSequence=code("121311", "DCM", "Localizer")
            ),
        )
        for number in range(1, frames + 1)
    ]  # fmt: skip
    pixels(data, noise(60, frames, SIZE, SIZE), BitsStored=14, HighBit=13)
    return data


def dimensions(organization: str, *pointers: int) -> dict[str, Any]:
    """The dimension module: attributes of the frame content that frames are counted along."""
    return {
        "DimensionOrganizationSequence": dataset(DimensionOrganizationUID=organization),
        "DimensionIndexSequence": [
            dataset(
                DimensionOrganizationUID=organization, DimensionIndexPointer=pointer, FunctionalGroupPointer=0x00209111
            )
            for pointer in pointers
        ],
    }


def picture(kind: str, rows: int, columns: int) -> np.ndarray[Any, Any]:
    """A grey picture with the name written into it."""
    values = np.full((rows, columns), 12, np.uint8)
    values[rows // 2 : rows // 2 + 40, columns // 4 : columns // 2] = 60
    x, y, _, height = BURNED[kind]
    cv2.putText(values, TEXT, (x, y + height - 8), cv2.FONT_HERSHEY_SIMPLEX, 0.8, 250, 2, cv2.LINE_AA)
    return values


def ultrasound() -> Dataset:
    """An ultrasound image of series 5: the name stands above the region that holds the picture."""
    data = header(
        US, "US", 5, 1,
        ImageType=["ORIGINAL", "PRIMARY", "ABDOMINAL", "0001"],
        BurnedInAnnotation="YES",
        LossyImageCompression="00",
        SequenceOfUltrasoundRegions=dataset(
            RegionSpatialFormat=1, RegionDataType=1, RegionFlags=0,
            RegionLocationMinX0=0, RegionLocationMinY0=64, RegionLocationMaxX1=383, RegionLocationMaxY1=255,
            PhysicalUnitsXDirection=3, PhysicalUnitsYDirection=3, PhysicalDeltaX=0.02, PhysicalDeltaY=0.02,
        ),
    )  # fmt: skip
    pixels(data, picture("us", 256, 384))
    return data


def capture() -> Dataset:
    """A secondary capture of series 6 with the name in it."""
    data = header(
        SC, "OT", 6, 1, ImageType=["DERIVED", "SECONDARY"], ConversionType="WSD", PatientOrientation=["L", "F"]
    )
    data.SecondaryCaptureDeviceID = "ZQDEVICE"
    data.DateOfSecondaryCapture = STUDY_DATE
    pixels(data, picture("sc", 256, 384))
    return data


def slide(kind: str, instance: int) -> Dataset:
    """One image of a whole slide, series 7: VOLUME, LABEL or OVERVIEW."""
    label = kind == "LABEL"
    data = header(
        SLIDE, "SM", 7, instance,
        ImageType=["ORIGINAL", "PRIMARY", kind, "NONE"],
        AcquisitionDateTime=f"{STUDY_DATE}120000",
        FrameOfReferenceUID=uid(6),
        PositionReferenceIndicator="SLIDE_CORNER",
        BurnedInAnnotation="YES" if label else "NO",
        SpecimenLabelInImage="YES" if kind != "VOLUME" else "NO",
        FocusMethod="AUTO",
        ExtendedDepthOfField="NO",
        LossyImageCompression="00",
        VolumetricProperties="VOLUME",
        ImagedVolumeWidth=1.0, ImagedVolumeHeight=1.0, ImagedVolumeDepth=0.1,
        TotalPixelMatrixColumns=SIZE, TotalPixelMatrixRows=SIZE, TotalPixelMatrixFocalPlanes=1,
        ImageOrientationSlide=[0, -1, 0, -1, 0, 0],
        DimensionOrganizationType="TILED_FULL",
        ContainerIdentifier="ZQSLIDE77",
        IssuerOfTheContainerIdentifierSequence=None,
        ContainerTypeCodeSequence=code("433466003", "SCT", "Microscope slide"),
        NumberOfFrames=1,
        NumberOfOpticalPaths=1,
        AcquisitionContextSequence=None,
        DimensionOrganizationSequence=dataset(DimensionOrganizationUID=uid(7, 9)),
        TotalPixelMatrixOriginSequence=dataset(
            XOffsetInSlideCoordinateSystem=1.5, YOffsetInSlideCoordinateSystem=2.5
        ),
        SharedFunctionalGroupsSequence=dataset(
            PixelMeasuresSequence=dataset(PixelSpacing=[0.03, 0.03], SliceThickness="1"),
            WholeSlideMicroscopyImageFrameTypeSequence=dataset(FrameType=["ORIGINAL", "PRIMARY", kind, "NONE"]),
            OpticalPathIdentificationSequence=dataset(OpticalPathIdentifier="1"),
        ),
        SpecimenDescriptionSequence=dataset(
            SpecimenIdentifier="ZQSPECIMEN",
            SpecimenUID=uid(7, 99),
            IssuerOfTheSpecimenIdentifierSequence=None,
            SpecimenShortDescription="biopsy ZQ",
            SpecimenDetailedDescription="biopsy of Zqvistgaard",
            SpecimenPreparationSequence=dataset(
                SpecimenPreparationStepContentItemSequence=dataset(
                    ValueType="TEXT",
                    ConceptNameCodeSequence=code("121041", "DCM", "Specimen Identifier"),
                    TextValue="ZQSPECIMEN",
                )
            ),
        ),
        OpticalPathSequence=dataset(
            OpticalPathIdentifier="1",
            IlluminationColorCodeSequence=code("414298005", "SCT", "Full Spectrum"),
            IlluminationTypeCodeSequence=code("111744", "DCM", "Brightfield illumination"),
        ),
    )  # fmt: skip
    if label:
        data.LabelText, data.BarcodeValue = "Zqvistgaard", "ZQBARCODE"
    pixels(data, noise(80 + instance, SIZE, SIZE, 3, dtype=np.uint8))
    return data
