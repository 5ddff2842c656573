"""A gateway's tables with a study that was sent, and the REDCap projects that are to hear of it."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from services.redcap.client import Pace, open_http
from services.redcap.mapping import Mapping
from services.redcap.rounds import Rounds
from services.redcap.settings import RedcapSettings
from services.redcap.takeover.gateway import Gateway
from services.redcap.takeover.reading import Reader
from services.redcap.takeover.taken_over import Takeover
from services.redcap.targets import Targets
from services.redcap.tokens import Tokens
from services.redcap.writing.gathering import Gatherer
from services.redcap.writing.writer import Writer
from shared.crypto import Vault
from shared.database import Database
from shared.manifest import Manifest, ManifestInstance, write_manifest
from shared.store import Store
from shared.tables import (
    Assignment,
    Delivery,
    Participant,
    Patient,
    Series,
    Study,
    StudyIdentity,
    Transfer,
    TransferPart,
)
from shared.tables import (
    Project as ProjectRow,
)
from tests.components.redcap import Form, Project, RedcapServer, text

INCOMING_TOKEN = "1" * 32
PROJECT_TOKEN = "A" * 32
PROJECT = "ABCD-study"
STUDY = "1.2.3"
SERIES = ("1.2.3.1", "1.2.3.2")
SENT = "2.25.77"
VAULT = Vault(b"k" * 32)
REQUESTED = datetime(2026, 1, 5, 10, 15, tzinfo=UTC)
PHI = ("01019012345", "Hansen", "Kari", "ACC7734421", "Haukeland")
"""What must never be in a project's REDCap."""

UPSTREAM_ERROR = "1, anonymize | 2, send | 3, pixel anonymized"


def incoming() -> Project:
    """Incoming as the original has it: classic, series and transfers repeat."""
    study = [text("study_instance_uid"), text("study_description"), text("study_date", "date_ymd")]
    study += [text(name) for name in ("study_time", "study_institution_name", "study_patient_name", "study_patient_id")]
    study += [text(name) for name in ("study_aetitle_sender", "study_aetitle_addressed", "study_accession_number")]
    study += [text("study_arrival_date", "datetime_ymd")]
    series = [text("series_instance_uid"), text("series_description"), text("series_date"), text("series_time")]
    series += [text("series_sequence_name"), text("series_num_files", "integer"), text("series_classify_types")]
    transfers = [text("transfer_requested_date", "datetime_ymd"), text("transfer_name"), text("transfer_event_name")]
    transfers += [text("transfer_project_name", kind="dropdown", choices=f"1, {PROJECT} | 2, ANOTHER")]
    transfers += [text("transfer_date", "datetime_ymd"), text("transfer_mapped_uid")]
    transfers += [text("transfer_error", kind="checkbox", choices=UPSTREAM_ERROR), text("transfer_error_message")]
    forms = [Form("incoming_studies", study), Form("series", series, [""]), Form("transfers", transfers, [""])]
    return Project(INCOMING_TOKEN, forms)


def own() -> Project:
    """A project's own: longitudinal, imaging repeats at its first event."""
    imaging = [text("img_study_instance_uid"), text("img_event_name"), text("img_study_date", "date_dmy")]
    imaging += [text("img_study_description"), text("img_incoming_accession_number")]
    return Project(
        PROJECT_TOKEN,
        [
            Form("basis", [text("record_id"), text("first_name"), text("last_name")]),
            Form("imaging", imaging, ["event_1_arm_1"]),
        ],
        events={"event_1_arm_1": "Event 1", "baseline_arm_1": "Baseline"},
        designated={"event_1_arm_1": ["basis", "imaging"], "baseline_arm_1": ["basis"]},
    )


async def fill(database: Database, store: Store) -> None:
    """A study of two series that a project's participant was sent by one transfer."""
    details = {
        "PatientID": "01019012345",
        "PatientName": "Hansen^Kari",
        "StudyDescription": "CT Hansen",
        "InstitutionName": "Haukeland",
    }
    async with database.session() as session:
        session.add(Patient(id="p"))
        session.add(
            StudyIdentity(
                study_instance_uid=STUDY,
                accession_number=VAULT.encrypt("ACC7734421"),
                details=VAULT.encrypt(json.dumps(details)),
            )
        )
        session.add(
            Study(
                study_instance_uid=STUDY, patient="p", study_date="20260105", study_time="101500.25",
                calling_aet="CT1", called_aet="FIONA", series_count=2, instance_count=5, arrived_at=REQUESTED,
            )
        )  # fmt: skip
        session.add(ProjectRow(name=PROJECT, encrypted_key=b"", destinations=["research"]))
        await session.flush()
        for number, series in enumerate(SERIES):
            header = {"SeriesTime": "101700", "SequenceName": "*tfl3d1"}
            session.add(
                Series(
                    series_instance_uid=series, study_instance_uid=STUDY, description="T1 w", instance_count=2 + number,
                    classify_types=["T1"], header=header, revision=1,
                )
            )  # fmt: skip
        session.add(Participant(project=PROJECT, name="ABCD-0017"))
        session.add(
            Assignment(
                id="a1", study_instance_uid=STUDY, project=PROJECT, participant="ABCD-0017", event="Baseline",
                reason="person",
            )
        )  # fmt: skip
    await add_transfer(database, store, "t1", SERIES)


async def add_transfer(
    database: Database, store: Store, identity: str, series: tuple[str, ...], state: str = "completed", sent: str = SENT
) -> None:
    """A transfer that has ended, with one de-identified file."""
    async with database.session() as session:
        session.add(
            Transfer(
                id=identity, assignment="a1", study_instance_uid=STUDY, project=PROJECT, participant="ABCD-0017",
                event="Baseline", destinations=["research"], reason="person", state=state, instances=5,
                error="2 in quarantine" if state == "quarantined" else None, requested_at=REQUESTED,
                finished_at=REQUESTED.replace(minute=17),
            )
        )  # fmt: skip
        await session.flush()
        for each in series:
            session.add(
                TransferPart(
                    transfer=identity, assignment="a1", series_instance_uid=each, revision=1, destination="research",
                    instances=2, anonymized=2, delivered=2,
                )
            )  # fmt: skip
            session.add(
                Delivery(
                    transfer=identity, destination="research", series_instance_uid=each, revision=1, parts=len(series),
                    target_study_instance_uid=sent, delivered=2,
                )
            )  # fmt: skip
    write_sent(store, identity, series[0], sent)


def write_sent(store: Store, transfer: str, series: str, sent: str) -> str:
    """A de-identified file and its manifest; where that lies."""
    folder = Store.anonymized(transfer, series, 1)
    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = CTImageStorage, f"{sent}.1.1"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = sent, f"{sent}.1"
    dataset.StudyDate, dataset.StudyDescription, dataset.AccessionNumber = "20251124", "CT", "7f3a"
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    place = store / folder
    place.mkdir(parents=True, exist_ok=True)
    dataset.save_as(place / "1.dcm", enforce_file_format=True)
    instance = ManifestInstance(
        path=f"{folder}/1.dcm", sop_instance_uid=f"{sent}.1.1", sop_class_uid=CTImageStorage,
        transfer_syntax_uid=ExplicitVRLittleEndian, size=1,
    )  # fmt: skip
    manifest = Manifest(study_instance_uid=sent, series_instance_uid=f"{sent}.1", instances=(instance,))
    write_manifest(store, f"{folder}/manifest.json", manifest)
    return f"{folder}/manifest.json"


def token_files(folder: Path, **tokens: str) -> Path:
    """A folder of tokens."""
    folder.mkdir(exist_ok=True)
    for name, token in tokens.items():
        (folder / name.replace("_", "-")).write_text(f"{token}\n")
    return folder


@asynccontextmanager
async def service(
    database: Database, store: Store, server: RedcapServer, folder: Path, mapping: Mapping | None = None, **more: Any
) -> AsyncIterator[Rounds]:
    """The service's rounds, to be gone by hand."""
    settings = RedcapSettings(
        url=server.url,
        incoming_token=INCOMING_TOKEN,
        tokens=token_files(folder / "tokens", ABCD_study=PROJECT_TOKEN),
        **more,
    )
    tokens = Tokens(settings)
    async with open_http(settings) as http:
        gatherer = Gatherer(store, VAULT, ZoneInfo("Europe/Oslo"), mapping or Mapping())
        writer = Writer(database, gatherer, settings, tokens, http, Pace(100_000))
        names = mapping or Mapping()
        reader = Reader(settings, http, Pace(100_000), names, lambda: Takeover(database, VAULT, Gateway(http), names))
        yield Rounds(database, Targets(database, settings.lease_seconds), tokens, writer, reader, settings)
