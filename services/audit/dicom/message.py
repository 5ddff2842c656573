"""An entry as XML by the schema of PS3.15 A.5.1, with the participants and objects that A.5.3 wants of its kind.

What the Standard calls the patient's id and name is a pseudonym here: the participant of the project, else the hash
by which the catalogue knows the patient.
"""

import ipaddress
import json
from base64 import b64encode
from dataclasses import dataclass
from datetime import UTC
from typing import Final
from xml.etree.ElementTree import Element, SubElement, tostring

from services.audit.dicom import codes
from services.audit.dicom.codes import Code
from services.audit.dicom.kinds import NEEDS_STUDY, OUTCOMES, Kind, action_of, kind_of, type_of
from services.audit.dicom.subject import Subject
from shared.tables import AuditEntry

UNKNOWN: Final = "unknown"
"""Attributes are never empty (A.5.2)."""

ANONYMIZED: Final = (Kind.BEGIN, Kind.SENT, Kind.EXPORT)
COUNTS: Final = {Kind.BEGIN: "instances", Kind.SENT: "delivered", Kind.EXPORT: "delivered", Kind.RECEIVED: "instances"}
"""Which of an entry's counts is the number of instances."""


@dataclass(frozen=True)
class Source:
    """Who reports: AuditSourceID and AuditEnterpriseSiteID."""

    name: str
    site: str = ""


def message(entry: AuditEntry, subject: Subject, source: Source) -> bytes:
    """ASCII; other characters stand as references."""
    kind = kind_of(entry, subject.study)
    root = Element("AuditMessage")
    _event(root, kind, entry)
    for participant in _participants(kind, entry, subject, source):
        root.append(participant)
    reported = {"AuditSourceID": source.name} | ({"AuditEnterpriseSiteID": source.site} if source.site else {})
    SubElement(SubElement(root, "AuditSourceIdentification", reported), "AuditSourceTypeCode", {"csd-code": "4"})
    for thing in _objects(kind, entry, subject):
        root.append(thing)
    content: bytes = tostring(root, "us-ascii", xml_declaration=False)
    return content


def _event(root: Element, kind: Kind, entry: AuditEntry) -> None:
    event = SubElement(
        root,
        "EventIdentification",
        {
            "EventActionCode": action_of(kind, entry),
            "EventDateTime": entry.at.astimezone(UTC).isoformat(timespec="milliseconds"),
            "EventOutcomeIndicator": OUTCOMES[entry.outcome],
        },
    )
    event.append(_coded("EventID", kind.event))
    if (code := type_of(kind, entry)) is not None:
        event.append(_coded("EventTypeCode", code))


def _participants(kind: Kind, entry: AuditEntry, subject: Subject, source: Source) -> list[Element]:
    gateway = f"fiona@{source.name}"
    remote = str(entry.details.get("destination") or UNKNOWN)
    asks, here = _person(entry), _process(gateway, entry)
    match kind:
        case Kind.PATIENT_REMOVED:
            return [here]
        case Kind.APPLICATION:
            return [_process(gateway, entry, codes.APPLICATION)]
        case Kind.BEGIN | Kind.SENT:
            there = _active(remote, role=codes.DESTINATION_ROLE)
            return [_process(gateway, entry, codes.SOURCE_ROLE, requests=True), there]
        case Kind.RECEIVED:
            sender = _active(subject.calling_aet or UNKNOWN, role=codes.SOURCE_ROLE, requests=True)
            return [sender, _process(gateway, entry, codes.DESTINATION_ROLE)]
        case Kind.EXPORT:
            media = _media(f"urn:fiona:transfer:{entry.details.get('transfer', UNKNOWN)}", codes.DESTINATION_MEDIA)
            return [_process(gateway, entry, codes.SOURCE_ROLE, requests=True), media]
        case Kind.IMPORT:
            media = _media(f"urn:fiona:operation:{entry.operation}", codes.SOURCE_MEDIA)
            here = _process(gateway, entry, codes.DESTINATION_ROLE)
            return [here, media, _person(entry, codes.SOURCE_ROLE)]
        case Kind.AUTHENTICATION:
            return [_active(entry.actor or UNKNOWN, entry.address or UNKNOWN, requests=True), here]
        case Kind.QUERY:
            return [_person(entry, codes.SOURCE_ROLE), _process(gateway, entry, codes.DESTINATION_ROLE)]
        case Kind.ALERT:
            return [here, _person(entry, requests=False)] if entry.method else [here]
        case _:
            return [asks]


def _objects(kind: Kind, entry: AuditEntry, subject: Subject) -> list[Element]:
    operation = f"urn:fiona:operation:{entry.operation}"
    if kind in NEEDS_STUDY:
        return [_study(kind, entry, subject), _patient(subject)]
    if kind is Kind.PATIENT_REMOVED:
        return [_patient(subject)]
    if kind is Kind.IMPORT:
        return [*([_study(kind, entry, subject)] if subject.study else []), _patient(subject)]
    if kind is Kind.LOG_USED:
        return [_object(codes.URI, "urn:fiona:audit", "2", "13", name="Security Audit Log")]
    if kind is Kind.QUERY:
        return [_object(codes.URI, operation, "2", "3", query=_canonical(entry))]
    if kind is Kind.ALERT:
        said = f"{entry.operation}: {entry.outcome} {_canonical(entry)}"
        return [_object(codes.URI, operation, "2", "13", name=entry.operation, detail=("Alert Description", said))]
    return []


def _study(kind: Kind, entry: AuditEntry, subject: Subject) -> Element:
    uid = subject.study or UNKNOWN
    study = _object(codes.STUDY_UID, uid, "2", "3", name=uid)
    count = entry.details.get(COUNTS.get(kind, ""))
    if isinstance(count, int):
        described = SubElement(study, "ParticipantObjectDescription")
        SubElement(described, "SOPClass", {"NumberOfInstances": str(count)})
        if kind in ANONYMIZED:
            SubElement(described, "Anonymized").text = "true"
    return study


def _patient(subject: Subject) -> Element:
    pseudonym = subject.patient or UNKNOWN
    return _object(codes.PATIENT_NUMBER, pseudonym, "1", "1", name=pseudonym)


def _person(entry: AuditEntry, role: Code | None = None, requests: bool = True) -> Element:
    """Whoever asked, from where."""
    return _active(entry.actor or UNKNOWN, entry.address, role, requests)


def _process(gateway: str, entry: AuditEntry, role: Code | None = None, requests: bool = False) -> Element:
    """The gateway, by the service that did it."""
    service = entry.actor if entry.actor_kind == "service" else "api"
    return _active(f"{service}/{gateway}", role=role, requests=requests, name="FIONA")


def _active(user: str, address: str = "", role: Code | None = None, requests: bool = False, name: str = "") -> Element:
    attributes = {"UserID": user, "UserIsRequestor": "true" if requests else "false"}
    if name:
        attributes["UserName"] = name
    if address:
        attributes |= {"NetworkAccessPointID": address, "NetworkAccessPointTypeCode": "2" if _is_ip(address) else "1"}
    participant = Element("ActiveParticipant", attributes)
    if role is not None:
        participant.append(_coded("RoleIDCode", role))
    return participant


def _media(uri: str, role: Code) -> Element:
    """What the Standard calls media is a place on a network here."""
    media = _active(uri, role=role)
    media.attrib |= {"NetworkAccessPointID": uri, "NetworkAccessPointTypeCode": "5"}
    SubElement(media, "MediaIdentifier").append(_coded("MediaType", codes.MEDIA_URI))
    return media


def _object(
    code: Code,
    identity: str,
    kind: str,
    role: str,
    *,
    name: str = "",
    query: str = "",
    detail: tuple[str, str] | None = None,
) -> Element:
    attributes = {
        "ParticipantObjectID": identity,
        "ParticipantObjectTypeCode": kind,
        "ParticipantObjectTypeCodeRole": role,
    }
    thing = Element("ParticipantObjectIdentification", attributes)
    thing.append(_coded("ParticipantObjectIDTypeCode", code))
    if query:
        SubElement(thing, "ParticipantObjectQuery").text = _base64(query)
    else:
        SubElement(thing, "ParticipantObjectName").text = name
    if detail is not None:
        SubElement(thing, "ParticipantObjectDetail", {"type": detail[0], "value": _base64(detail[1])})
    return thing


def _coded(element: str, code: Code) -> Element:
    return Element(element, {"csd-code": code.value, "codeSystemName": code.system, "originalText": code.meaning})


def _canonical(entry: AuditEntry) -> str:
    return json.dumps(entry.details, sort_keys=True)


def _base64(text: str) -> str:
    return b64encode(text.encode()).decode()


def _is_ip(address: str) -> bool:
    try:
        ipaddress.ip_address(address)
    except ValueError:
        return False
    return True
