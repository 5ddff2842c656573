"""Encapsulated documents and slides: held, left out, replaced, released."""

from io import BytesIO
from xml.etree import ElementTree

import pydicom
import pytest
from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from deidentification import BASIC, CannotDeidentify, LeftOut, Profile, deidentify, deidentify_all
from deidentification.profiles.model import Documents, Selector
from tests.unit.deidentification.builders import SUBJECT, Bench, ct, encoded

ROOT = "1.2.840.10008.5.1.4.1.1.104."
KINDS = {"pdf": ROOT + "1", "cda": ROOT + "2", "stl": ROOT + "3", "obj": ROOT + "4", "mtl": ROOT + "5"}
SECRET = b"%PDF-1.4 of Nordmann, Kari"


def document(kind: str, syntax: str = ExplicitVRLittleEndian, secret: bytes = SECRET) -> bytes:
    """An encapsulated document with the patient's name in it."""
    data = ct(
        SOPClassUID=KINDS[kind], Modality="DOC", DocumentTitle="Letter about Kari", EncapsulatedDocument=secret,
        EncapsulatedDocumentLength=len(secret), MIMETypeOfEncapsulatedDocument="application/pdf",
    )  # fmt: skip
    for keyword in ("Rows", "Columns", "PixelData"):
        delattr(data, keyword)
    return encoded(data, UID(syntax))


def policy(chosen: str) -> Profile:
    """The basic profile with one policy for all documents."""
    return BASIC.model_copy(update={"documents": Documents(pdf=chosen, cda=chosen, model=chosen)})


@pytest.mark.parametrize("kind", KINDS)
def test_held_dropped_or_replaced(bench: Bench, kind: str) -> None:
    assert bench.refusal(document(kind), policy("hold")).rule == "encapsulated-document"
    with pytest.raises(LeftOut) as left:
        bench.written(document(kind), policy("drop"))
    assert left.value.rule == "encapsulated-document"
    after = bench.read(document(kind), policy("dummy"))
    assert "Nordmann" not in str(after)
    assert after.DocumentTitle == ""
    length = after.EncapsulatedDocumentLength
    assert 0 <= len(after.EncapsulatedDocument) - length <= 1
    assert b"removed by de-identification" in after.EncapsulatedDocument[:length]


def test_dummies_are_what_they_say(bench: Bench) -> None:
    pdf = bench.read(document("pdf"), policy("dummy"))
    content = pdf.EncapsulatedDocument[: pdf.EncapsulatedDocumentLength]
    table = int(content.rsplit(b"startxref\n", 1)[1].split(b"\n")[0])
    assert content[table : table + 4] == b"xref"
    places = [int(line[:10]) for line in content[table:].split(b"\n")[3:8]]
    assert [content[place : place + 7] for place in places] == [b"%d 0 obj" % number for number in range(1, 6)]
    cda = bench.read(document("cda"), policy("dummy"))
    tree = ElementTree.fromstring(cda.EncapsulatedDocument[: cda.EncapsulatedDocumentLength].decode())
    assert tree.tag == "{urn:hl7-org:v3}ClinicalDocument"
    assert cda.MIMETypeOfEncapsulatedDocument == "text/XML"
    stl = bench.read(document("stl"), policy("dummy"))
    assert stl.EncapsulatedDocumentLength == 84 + 50 * int.from_bytes(stl.EncapsulatedDocument[80:84], "little")


def test_a_released_document_passes_as_it_is(bench: Bench) -> None:
    path = bench.file(document("pdf"))
    result = deidentify(path, bench.out, SUBJECT, BASIC, released=frozenset(("encapsulated-document",)))
    after = pydicom.dcmread(bench.out / result.path)
    assert after.EncapsulatedDocument.rstrip(b"\0") == SECRET.rstrip(b"\0")
    assert (after.DocumentTitle, after.PatientID) == ("", "NOR_001")


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
@pytest.mark.parametrize("length", range(20, 30, 2))
def test_a_released_document_of_any_length_passes(bench: Bench, syntax: str, length: int) -> None:
    secret = SECRET.ljust(length + 10, b"x")
    path = bench.file(document("pdf", syntax, secret))
    result = deidentify(path, bench.out, SUBJECT, BASIC, released=frozenset(("encapsulated-document",)))
    assert pydicom.dcmread(bench.out / result.path).EncapsulatedDocument.rstrip(b"\0") == secret


def test_nothing_is_released_that_is_not_the_document(bench: Bench) -> None:
    content = encoded(ct(Manufacturer="Nordmann & Co"))
    path = bench.file(content)
    with pytest.raises(CannotDeidentify, match="gate-name"):
        deidentify(path, bench.out, SUBJECT, BASIC, released=frozenset(("encapsulated-document",)))


@pytest.mark.parametrize("kind", ["LABEL", "OVERVIEW"])
def test_slides_leave_their_labels_behind(bench: Bench, kind: str) -> None:
    slide = ct(SOPClassUID="1.2.840.10008.5.1.4.1.1.77.1.6", ImageType=["ORIGINAL", "PRIMARY", kind, "NONE"])
    with pytest.raises(LeftOut) as left:
        bench.written(encoded(slide))
    assert left.value.rule == "slide-label"
    assert not list(bench.out.rglob("*.dcm"))


def test_selectors_leave_out_before_anything_is_refused(bench: Bench) -> None:
    drop = BASIC.model_copy(update={"drop": (Selector(sop_class=ROOT), Selector(series_description="^scout"))})
    only = BASIC.model_copy(update={"only": (Selector(modality="MR"),)})
    for content, profile, rule in (
        (document("pdf"), drop, "drop"),
        (encoded(ct(SeriesDescription="Scout 2")), drop, "drop"),
        (encoded(ct()), only, "only"),
    ):
        with pytest.raises(LeftOut) as left:
            bench.written(content, profile)
        assert left.value.rule == rule
    assert bench.read(encoded(ct(SeriesDescription="Thorax")), drop).PatientID == "NOR_001"
    assert not [path for path in bench.out.rglob("*") if path.name.endswith(".part")]


def test_outcomes_of_many_keep_their_order(bench: Bench) -> None:
    paths = []
    for number, content in enumerate((encoded(ct()), document("pdf"), b"no DICOM")):
        paths.append(bench.folder / f"{number}.dcm")
        paths[-1].write_bytes(content)
    kinds = [type(outcome).__name__ for outcome in deidentify_all(paths, bench.out, SUBJECT, policy("drop"))]
    assert kinds == ["Deidentified", "LeftOut", "CannotDeidentify"]
    released = {paths[1]: frozenset(("encapsulated-document",))}
    outcomes = list(deidentify_all(paths[:2], bench.out, SUBJECT, policy("drop"), released=released))
    assert [type(outcome).__name__ for outcome in outcomes] == ["Deidentified", "Deidentified"]
    assert pydicom.dcmread(BytesIO((bench.out / outcomes[1].path).read_bytes())).PatientID == "NOR_001"  # type: ignore[union-attr]
