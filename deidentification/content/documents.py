"""Encapsulated documents: held, left out, replaced by a dummy of the same kind, or passed after a reviewer looked."""

import struct
from typing import Final, NamedTuple

from deidentification.errors import LeftOut
from deidentification.profiles.model import Documents

DOCUMENT, MIME_TYPE, LENGTH = 0x00420011, 0x00420012, 0x00420015
RULE: Final = "encapsulated-document"
# PDF, CDA, STL, OBJ, MTL and any later encapsulated document.
ROOT: Final = b"1.2.840.10008.5.1.4.1.1.104."
NOTICE: Final = "Document removed by de-identification"


class Kind(NamedTuple):
    """One kind of document: its field in the profile, its MIME type, and a valid one that says nothing."""

    policy: str
    mime_type: bytes
    dummy: bytes


def _pdf() -> bytes:
    """One empty page with a line of text (ISO 32000-1 7.5)."""
    drawing = f"BT /F1 12 Tf 72 720 Td ({NOTICE}) Tj ET".encode()
    bodies = (
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R"
        b" /Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(drawing), drawing),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    )
    written, places = b"%PDF-1.4\n", list[int]()
    for number, body in enumerate(bodies, 1):
        places.append(len(written))
        written += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    size = len(bodies) + 1
    ending = b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (size, len(written))
    return written + b"xref\n0 %d\n0000000000 65535 f \n%s" % (size, table) + ending


def _cda() -> bytes:
    """A clinical document with an empty patient and one line of text (HL7 CDA R2)."""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<ClinicalDocument xmlns="urn:hl7-org:v3"><typeId root="2.16.840.1.113883.1.3" extension="POCD_HD000040"/>'
        '<id nullFlavor="MSK"/><code nullFlavor="MSK"/><effectiveTime nullFlavor="MSK"/>'
        '<confidentialityCode code="N" codeSystem="2.16.840.1.113883.5.25"/>'
        '<recordTarget><patientRole><id nullFlavor="MSK"/></patientRole></recordTarget>'
        '<author><time nullFlavor="MSK"/><assignedAuthor><id nullFlavor="MSK"/></assignedAuthor></author>'
        '<custodian><assignedCustodian><representedCustodianOrganization><id nullFlavor="MSK"/>'
        "</representedCustodianOrganization></assignedCustodian></custodian>"
        f"<component><nonXMLBody><text>{NOTICE}</text></nonXMLBody></component></ClinicalDocument>\n"
    ).encode()


def _stl() -> bytes:
    """A binary STL of one triangle."""
    triangle = struct.pack("<12fH", 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0)
    return NOTICE.encode().ljust(80) + struct.pack("<L", 1) + triangle


_OBJ: Final = b"# " + NOTICE.encode() + b"\nv 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n"
_MTL: Final = b"# " + NOTICE.encode() + b"\nnewmtl dummy\nKd 0.5 0.5 0.5\n"
KINDS: Final[dict[bytes, Kind]] = {
    ROOT + b"1": Kind("pdf", b"application/pdf", _pdf()),
    ROOT + b"2": Kind("cda", b"text/XML", _cda()),
    ROOT + b"3": Kind("model", b"model/stl", _stl()),
    ROOT + b"4": Kind("model", b"model/obj", _OBJ),
    ROOT + b"5": Kind("model", b"model/mtl", _MTL),
}


class Treatment(NamedTuple):
    """What becomes of a document's bytes: passed as they are, or `dummy` written instead; neither: held."""

    passes: bool = False
    dummy: Kind | None = None


HELD: Final = Treatment()


def treatment(sop_class: bytes, policy: Documents, released: frozenset[str]) -> Treatment:
    """By the project's policy and what a reviewer released; raises LeftOut where the policy drops the kind."""
    if RULE in released:
        return Treatment(passes=True)
    kind = KINDS.get(sop_class)
    chosen = getattr(policy, kind.policy) if kind else "hold"
    if chosen == "drop":
        raise LeftOut(RULE, "the profile leaves out documents of this kind")
    return Treatment(dummy=kind) if chosen == "dummy" else HELD
