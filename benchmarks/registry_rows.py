"""A gateway that has been in use for years, written into the database at once: what its services would have left."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import insert, update

from shared.crypto import Vault
from shared.database import Database
from shared.registry.coupling import accession_key, patient_id_key, portions
from shared.tables import (
    Assignment,
    Base,
    CouplingEntry,
    Instance,
    KeptAttribute,
    Participant,
    Patient,
    PatientIdentity,
    QuarantinedInstance,
    Series,
    Study,
    StudyIdentity,
    Transfer,
    TransferPart,
)
from shared.tables.base import now

PROJECT: Final = "ABCD-study"
EVENTS: Final = ("baseline", "year1", "year2")
STATES: Final = ("completed", "completed", "completed", "quarantined", "failed", "sending")
AT_ONCE: Final = 2000


@dataclass(frozen=True)
class Size:
    """How much there is; half of the studies are assigned, every tenth transfer has something in quarantine."""

    name: str
    studies: int
    coupling: int

    @property
    def assigned(self) -> int:
        """Studies in the project."""
        return self.studies // 2


LARGE: Final = Size("100,000 studies", 100_000, 200_000)
ONE_PAGE: Final = Size("one page", 100, 100)


def uid(number: int) -> str:
    """A StudyInstanceUID."""
    return f"1.2.826.0.1.3680043.8.498.{number}"


def accession(number: int) -> str:
    """Ten digits that no pseudonym has."""
    return str(7_000_000_000 + number * 7919)


def patient_id(number: int) -> str:
    """Of every two studies the same."""
    return f"PAT{number // 2:07}"


def coupling_list(size: Size) -> bytes:
    """One row for each study and for as many that will never come."""
    lines = (
        f"{accession(number)};{PROJECT};ABCD-{number % 20_000:05};{EVENTS[number % len(EVENTS)]}"
        for number in range(size.coupling)
    )
    return "\r\n".join(["AccessionNumber;ProjectName;subjectid;eventname", *lines]).encode()


async def fill(database: Database, vault: Vault, size: Size, entries: Sequence[str]) -> None:
    """All but what the api itself has made: the project and its coupling list, of which `entries` are the ids of
    those that have matched."""
    for table, rows in _tables(vault, size, entries).items():
        async with database.session() as session:
            for some in portions(list(rows), AT_ONCE):
                await session.execute(insert(table), some)
    async with database.session() as session:
        for claimed in portions(entries):
            this = update(CouplingEntry).where(CouplingEntry.id.in_(claimed)).values(matched=True)
            await session.execute(this, execution_options={"synchronize_session": False})


def _tables(vault: Vault, size: Size, entries: Sequence[str]) -> Mapping[type[Base], Iterator[dict[str, Any]]]:
    """In an order that foreign keys allow."""
    studies, assigned = range(size.studies), range(size.assigned)
    begin = now() - timedelta(days=365)
    patients = {number: vault.hash("patient", patient_id(number), "") for number in studies[::2]}
    project = {"project": PROJECT}

    def at(number: int) -> dict[str, Any]:
        return {"created_at": begin + timedelta(minutes=number)}

    return {
        Patient: ({"id": patient} for patient in patients.values()),
        PatientIdentity: (
            {
                "id": patient,
                "patient_id": vault.encrypt(patient_id(number)),
                "patient_id_hash": patient_id_key(vault, patient_id(number)),
                "patient_name": vault.encrypt(f"Doe^{number}"),
            }
            for number, patient in patients.items()
        ),
        Study: (
            {
                "study_instance_uid": uid(number),
                "patient": patients[number - number % 2],
                "accession_hash": accession_key(vault, accession(number)),
                "study_date": "20260102",
                "modalities": ["MR"],
                "series_count": 1,
                "instance_count": 1,
                "first_seen_at": begin + timedelta(minutes=number),
                "arrived_at": begin + timedelta(minutes=number + 1),
            }
            for number in studies
        ),
        StudyIdentity: (
            {
                "study_instance_uid": uid(number),
                "accession_number": vault.encrypt(accession(number)),
                "details": vault.encrypt(json.dumps({"PatientID": patient_id(number), "StudyDescription": "MR brain"})),
            }
            for number in studies
        ),
        Series: (
            {
                "series_instance_uid": f"{uid(number)}.1",
                "study_instance_uid": uid(number),
                "modality": "MR",
                "instance_count": 1,
                "revision": 1,
            }
            for number in studies
        ),
        Instance: (
            {
                "sop_instance_uid": f"{uid(number)}.1.1",
                "series_instance_uid": f"{uid(number)}.1",
                "study_instance_uid": uid(number),
                "sop_class_uid": "1.2.840.10008.5.1.4.1.1.4",
                "transfer_syntax_uid": "1.2.840.10008.1.2.1",
                "path": f"archive/scp_{uid(number)}/{number}.dcm",
                "size": 140_000,
                "association": "a",
                "revision": 1,
            }
            for number in studies
        ),
        Participant: (
            project | {"name": f"ABCD-{number:05}", "origin": "coupling"} | at(number)
            for number in range(min(20_000, size.assigned))
        ),
        Assignment: (
            {
                "id": f"a{number}",
                "study_instance_uid": uid(number),
                "participant": f"ABCD-{number % 20_000:05}",
                "event": EVENTS[number % 3],
                "reason": f"coupling {entries[number]}",
            }
            | project
            | at(number)
            for number in assigned
        ),
        Transfer: (
            {
                "id": f"t{number}",
                "assignment": f"a{number}",
                "study_instance_uid": uid(number),
                "participant": f"ABCD-{number % 20_000:05}",
                "event": EVENTS[number % 3],
                "destinations": ["here"],
                "reason": f"coupling {entries[number]}",
                "profile": "basic",
                "state": STATES[number % len(STATES)],
                "instances": 1,
                "anonymized": 1,
                "delivered": 1,
                "requested_at": begin + timedelta(minutes=number),
            }
            | project
            for number in assigned
        ),
        TransferPart: (
            {
                "transfer": f"t{number}",
                "assignment": f"a{number}",
                "series_instance_uid": f"{uid(number)}.1",
                "revision": 1,
                "destination": "here",
                "instances": 1,
                "anonymized": 1,
                "delivered": 1,
            }
            for number in assigned
        ),
        QuarantinedInstance: (
            {
                "transfer": f"t{number}",
                "sop_instance_uid": f"{uid(number)}.1.1",
                "series_instance_uid": f"{uid(number)}.1",
                "revision": 1,
                "reason": "text in pixels",
                "rule": "burned-in",
                "where": "",
            }
            | project
            | at(number)
            for number in assigned[::10]
        ),
        KeptAttribute: (
            project
            | {
                "path": f"(0018,{number // 10:04x})",
                "value_hash": vault.hash("value", str(number)),
                "keyword": f"Attribute{number // 10}",
                "vr": "LO",
                "value": str(number),
                "count": 1,
                "first_seen_at": begin,
                "last_seen_at": begin,
            }
            for number in range(min(5_000, size.studies))
        ),
    }
