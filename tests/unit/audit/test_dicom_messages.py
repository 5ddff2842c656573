"""Every kind of entry becomes the message that PS3.15 A.5 wants of it, and names no patient."""

from datetime import UTC, datetime
from typing import Any
from xml.etree.ElementTree import Element, fromstring

import pytest

from services.audit.dicom import Source, Subject, message
from services.audit.dicom.kinds import BY_OPERATION, Kind
from services.audit.syslog import frame
from shared.audit import Record
from shared.tables import AuditEntry
from tests.unit.audit.schema import check

SUBJECT = Subject("1.2.826.0.1.3680043.8.498.1", "X1", "MR1", "FIONA")
NOBODY = Subject()
AT = datetime(2026, 1, 5, 10, 15, 0, 120_000, tzinfo=UTC)
ASKED: dict[str, Any] = {"actor": "kåre <&>", "actor_kind": "person", "address": "192.0.2.17", "status": 200}


def entry(operation: str, outcome: str = "done", **values: object) -> AuditEntry:
    record = Record.model_validate({"operation": operation, "outcome": outcome, "at": AT, **values})
    return AuditEntry(**record.model_dump(), sequence=7, previous="0" * 64, hash="f" * 64)


def told(made: AuditEntry, subject: Subject) -> tuple[str, Element]:
    root = fromstring(message(made, subject, Source("gateway-1", "Clinic")))
    check(root)
    event = root.find("EventIdentification/EventID")
    assert event is not None
    return event.get("originalText", ""), root


@pytest.mark.parametrize(
    ("made", "subject", "expected"),
    [
        (entry("application_started", actor="api", actor_kind="service"), NOBODY, "Application Activity"),
        (entry("application_stopped", actor="api", actor_kind="service"), NOBODY, "Application Activity"),
        (entry("export_audit", method="GET", **ASKED), NOBODY, "Audit Log Used"),
        (
            entry("series_anonymized", actor="anonymizer", actor_kind="service", details={"instances": 4}),
            SUBJECT,
            "Begin Transferring DICOM Instances",
        ),
        (
            entry(
                "series_delivered", actor="sender", actor_kind="service", details={"delivered": 4, "destination": "r"}
            ),
            SUBJECT,
            "DICOM Instances Transferred",
        ),
        (entry("study_arrived", actor="indexer", actor_kind="service"), SUBJECT, "DICOM Instances Transferred"),
        (entry("study_forgotten", actor="registry", actor_kind="service"), SUBJECT, "DICOM Study Deleted"),
        (entry("project_moved", actor="registry", actor_kind="service"), NOBODY, "Security Alert"),
        (entry("identity_removed", actor="indexer", actor_kind="service"), SUBJECT, "Patient Record"),
        (entry("transfer_completed", actor="sender", actor_kind="service"), SUBJECT, "Export"),
        (entry("store_instances", method="POST", **ASKED), NOBODY, "Import"),
        (entry("store_study_instances", method="POST", **ASKED), SUBJECT, "Import"),
        (entry("show_study", method="GET", **ASKED), SUBJECT, "DICOM Instances Accessed"),
        (entry("assign_study", method="POST", **ASKED), SUBJECT, "DICOM Instances Accessed"),
        (entry("show_study", "failed", method="GET", status=404), NOBODY, "Query"),
        (entry("search_studies", method="POST", details={"fields": ["patient_id"]}, **ASKED), NOBODY, "Query"),
        (entry("sign_in", method="POST", **ASKED), NOBODY, "User Authentication"),
        (entry("sign_in", "refused", method="POST", address="192.0.2.17", status=401), NOBODY, "User Authentication"),
        (entry("sign_out", method="POST", **ASKED), NOBODY, "User Authentication"),
        (entry("set_member", method="PUT", **ASKED), NOBODY, "Security Alert"),
        (entry("change_project", method="PATCH", **ASKED), NOBODY, "Security Alert"),
        (entry("show_study", "refused", method="GET", **ASKED), SUBJECT, "Security Alert"),
        (entry("none", "refused", method="GET", address="testclient", status=421), NOBODY, "Security Alert"),
        (entry("make_project", "unanswered", method="POST", **ASKED), NOBODY, "Security Alert"),
        (entry("audit_truncated", "failed", actor="audit", actor_kind="service"), NOBODY, "Security Alert"),
    ],
    ids=lambda value: value.operation if isinstance(value, AuditEntry) else "",
)
def test_each_entry_is_a_message_of_the_standard(made: AuditEntry, subject: Subject, expected: str) -> None:
    assert told(made, subject)[0] == expected


@pytest.mark.parametrize("operation", BY_OPERATION)
@pytest.mark.parametrize("outcome", ["done", "refused", "failed", "unanswered"])
@pytest.mark.parametrize("subject", [SUBJECT, NOBODY])
def test_no_entry_makes_a_message_that_is_not_valid(operation: str, outcome: str, subject: Subject) -> None:
    told(entry(operation, outcome, method="POST"), subject)


def test_every_kind_is_used_by_somebody() -> None:
    assert set(BY_OPERATION.values()) | {Kind.ACCESSED} == set(Kind)


def test_who_and_whose() -> None:
    _, root = told(entry("show_study", method="GET", **ASKED), SUBJECT)
    [person] = root.findall("ActiveParticipant")
    assert dict(person.attrib) == {
        "UserID": "kåre <&>",
        "UserIsRequestor": "true",
        "NetworkAccessPointID": "192.0.2.17",
        "NetworkAccessPointTypeCode": "2",
    }
    study, patient = root.findall("ParticipantObjectIdentification")
    assert study.get("ParticipantObjectID") == SUBJECT.study
    assert patient.get("ParticipantObjectID") == "X1"


def test_a_frame_says_how_long_it_is() -> None:
    made = entry("show_study", method="GET", **ASKED)
    framed = frame(made, message(made, SUBJECT, Source("gateway-1")))
    length, _, content = framed.partition(b" ")
    assert int(length) == len(content)
    header, xml = content.split(b"] ", 1)
    assert header.startswith(b"<85>1 2026-01-05T10:15:00.120000Z ")
    assert b' DICOM+RFC3881 [fiona@32473 sequence="7" hash="' + b"f" * 64 in header
    assert fromstring(xml).tag == "AuditMessage"
    assert framed.isascii()
