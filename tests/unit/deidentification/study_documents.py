"""The study's documents: a structured report of every value type, and PDF, CDA and STL in an envelope."""

from typing import Any, Final

from pydicom.dataset import Dataset

from tests.unit.deidentification.study_images import CT
from tests.unit.deidentification.study_patient import (
    BIRTH,
    FRAME,
    STUDY,
    STUDY_DATE,
    code,
    dataset,
    header,
    reference,
    uid,
)

COMPREHENSIVE_SR, SEG = "1.2.840.10008.5.1.4.1.1.88.33", "1.2.840.10008.5.1.4.1.1.66.4"
PDF, CDA, STL = (f"1.2.840.10008.5.1.4.1.1.104.{kind}" for kind in (1, 2, 3))
LENGTH: Final = "12.5"


def content(kind: str, concept: tuple[str, str, str], relation: str = "CONTAINS", **values: Any) -> Dataset:
    """One content item."""
    return dataset(RelationshipType=relation, ValueType=kind, ConceptNameCodeSequence=code(*concept), **values)


def measured(concept: tuple[str, str, str], value: str, unit: str, *children: Dataset) -> Dataset:
    """A NUM item with what it was inferred from."""
    amount = dataset(MeasurementUnitsCodeSequence=code(unit, "UCUM", unit), NumericValue=value)
    item = content("NUM", concept, MeasuredValueSequence=amount)
    if children:
        item.ContentSequence = list(children)
    return item


def report(images: list[Dataset]) -> Dataset:
    """A Comprehensive SR, series 20: observers, text, dates, numbers, geometry and references."""
    target = reference(CT, images[0].SOPInstanceUID)
    selected = dataset(RelationshipType="SELECTED FROM", ValueType="IMAGE", ReferencedSOPSequence=target)
    outline = dataset(
        RelationshipType="INFERRED FROM", ValueType="SCOORD", GraphicData=[4.0, 4.0, 12.5, 12.5],
        GraphicType="POLYLINE", ContentSequence=selected,
    )  # fmt: skip
    finding = content(
        "CONTAINER", ("121070", "DCM", "Findings"), ContinuityOfContent="SEPARATE",
        ContentSequence=[
            content("TEXT", ("121071", "DCM", "Finding"), TextValue="Zqvistgaard has a nodule of 12 mm"),
            content("CODE", ("121071", "DCM", "Finding"), ConceptCodeSequence=code("27925004", "SCT", "Nodule")),
            measured(("410668003", "SCT", "Length"), LENGTH, "mm", outline),
            content("TEXT", ("121106", "DCM", "Comment"), TextValue="Zqlege discussed it with Zqhenviser"),
        ],
    )  # fmt: skip
    evidence = dataset(
        StudyInstanceUID=STUDY,
        ReferencedSeriesSequence=dataset(
            SeriesInstanceUID=images[0].SeriesInstanceUID,
            ReferencedSOPSequence=[reference(CT, image.SOPInstanceUID) for image in images],
        ),
    )
    evidence.ReferencedSeriesSequence.append(
        dataset(SeriesInstanceUID=uid(12), ReferencedSOPSequence=reference(SEG, uid(12, 1)))
    )
    observer = "HAS OBS CONTEXT"
    return header(
        COMPREHENSIVE_SR, "SR", 20, 1,
        ReferencedRequestSequence=dataset(
            StudyInstanceUID=STUDY, AccessionNumber="ZQACC4711X", ReferencedStudySequence=None,
            RequestedProcedureID="ZQRP77", RequestedProcedureDescription="CT ZQ", RequestedProcedureCodeSequence=None,
            PlacerOrderNumberImagingServiceRequest="ZQPLACER", FillerOrderNumberImagingServiceRequest="ZQFILLER",
        ),
        PerformedProcedureCodeSequence=None,
        CurrentRequestedProcedureEvidenceSequence=evidence,
        CompletionFlag="COMPLETE",
        VerificationFlag="VERIFIED",
        VerifyingObserverSequence=dataset(
            VerifyingObserverName="Zqlege^Lise",
            VerifyingObserverIdentificationCodeSequence=code("ZQ1", "99ZQ", "Zqlege"),
            VerifyingOrganization="Zqfjord Sykehus", VerificationDateTime=f"{STUDY_DATE}235930",
        ),
        AuthorObserverSequence=dataset(
            ObserverType="PSN", PersonName="Zqlege^Lise", InstitutionName="Zqfjord Sykehus",
            InstitutionCodeSequence=None, PersonIdentificationCodeSequence=None,
        ),
        ValueType="CONTAINER",
        ConceptNameCodeSequence=code("126000", "DCM", "Imaging Measurement Report"),
        ContinuityOfContent="SEPARATE",
        ContentSequence=[
            content(
                "CODE", ("121005", "DCM", "Observer Type"), observer,
                ConceptCodeSequence=code("121006", "DCM", "Person"),
            ),
            content("PNAME", ("121008", "DCM", "Person Observer Name"), observer, PersonName="Zqlege^Lise"),
            content("TEXT", ("121009", "DCM", "Person Observer's Organization Name"), observer, TextValue="Zqfjord"),
            content("UIDREF", ("121012", "DCM", "Device Observer UID"), observer, UID=uid(9, 1)),
            content("TEXT", ("121013", "DCM", "Device Observer Name"), observer, TextValue="ZQWORKSTATION"),
            content("PNAME", ("121029", "DCM", "Subject Name"), observer, PersonName="Zqvistgaard^Karianne"),
            content("TEXT", ("121030", "DCM", "Subject ID"), observer, TextValue="ZQ03027012345"),
            content("DATE", ("121031", "DCM", "Subject Birth Date"), observer, Date=BIRTH),
            content("DATETIME", ("111526", "DCM", "DateTime Started"), DateTime=f"{STUDY_DATE}235500"),
            content("TIME", ("111061", "DCM", "Study Time"), Time="235500"),
            content("DATE", ("111060", "DCM", "Study Date"), Date=STUDY_DATE),
            content("UIDREF", ("113769", "DCM", "Irradiation Event UID"), UID=uid(20, 7)),
            content("UIDREF", ("112040", "DCM", "Tracking Unique Identifier"), UID=uid(12, 77)),
            content("TEXT", ("112039", "DCM", "Tracking Identifier"), TextValue="ZQTRACK"),
            content("UIDREF", ("112227", "DCM", "Frame of Reference UID"), UID=FRAME),
            content("IMAGE", ("121200", "DCM", "Illustration of ROI"), ReferencedSOPSequence=target),
            content(
                "COMPOSITE", ("121201", "DCM", "Area of Interest"),
                ReferencedSOPSequence=reference(SEG, uid(12, 1)),
            ),
            finding,
        ],
    )  # fmt: skip


def encapsulated(sop_class: str, series: int, mime: str, document: bytes) -> Dataset:
    """A document about the patient in an envelope."""
    return header(
        sop_class, "M3D" if sop_class == STL else "DOC", series, 1,
        ConversionType="WSD",
        BurnedInAnnotation="YES",
        RecognizableVisualFeatures="NO",
        AcquisitionDateTime=f"{STUDY_DATE}235800",
        DocumentTitle="Letter on Zqvistgaard",
        ConceptNameCodeSequence=code("18748-4", "LN", "Diagnostic imaging study"),
        VerificationFlag="UNVERIFIED",
        MIMETypeOfEncapsulatedDocument=mime,
        EncapsulatedDocument=document + b"\0" * (len(document) % 2),
        EncapsulatedDocumentLength=len(document),
        SourceInstanceSequence=reference(CT, uid(2, 1)),
    )  # fmt: skip


def pdf() -> Dataset:
    """A PDF that says who it is about, series 21."""
    text = b"BT /F1 12 Tf 20 100 Td (Zqvistgaard, Karianne) Tj ET"
    body = b"%%PDF-1.4\n1 0 obj<</Length %d>>stream\n%s\nendstream endobj\ntrailer<</Root 1 0 R>>\n%%%%EOF\n" % (
        len(text),
        text,
    )
    return encapsulated(PDF, 21, "application/pdf", body)


def cda() -> Dataset:
    """A clinical document, series 22."""
    body = b'<?xml version="1.0"?><ClinicalDocument xmlns="urn:hl7-org:v3"><name>Zqvistgaard</name></ClinicalDocument>'
    return encapsulated(CDA, 22, "text/XML", body)


def stl() -> Dataset:
    """A model whose header bears the name, series 23."""
    data = encapsulated(STL, 23, "model/stl", b"Zqvistgaard".ljust(80) + bytes(4 + 50))
    data.MeasurementUnitsCodeSequence = [code("mm", "UCUM", "mm")]
    data.FrameOfReferenceUID, data.PositionReferenceIndicator = FRAME, ""
    return data
