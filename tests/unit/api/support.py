"""An api over a real database and a real journal, asked without a network."""

import io
import json
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from copy import copy
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pydicom
from fastapi import FastAPI
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid
from sqlalchemy import select
from starlette.datastructures import State

from services.api.app import build, create_app
from services.api.settings import ApiSettings
from shared.bus import Message
from shared.bus.embedded import EmbeddedBus
from shared.bus.protocol import Bus
from shared.crypto import Vault
from shared.database import Database
from shared.events import Event
from shared.journal import Journal
from shared.ledger import Relay
from shared.service import Context
from shared.service.health import Health
from shared.settings import Settings
from shared.store import Store
from shared.tables import (
    Assignment,
    Instance,
    OutboxEntry,
    Patient,
    PatientIdentity,
    Series,
    Study,
    StudyIdentity,
)
from shared.tables.base import now
from tests.people import BEARER, invite

KEY = "a master key for tests only"
BASE = "http://127.0.0.1:8080"
CHEAP = {"password_kib": 8, "password_rounds": 1}
"""Passwords are hashed for tests only."""


@dataclass(frozen=True)
class Api:
    """An api and what is behind it."""

    client: httpx.AsyncClient
    context: Context
    journal: Journal

    async def get(self, path: str, /, **query: Any) -> httpx.Response:
        """GET below /api/v1."""
        # An empty query of its own would take away the one in the path.
        return await self.client.get(f"/api/v1{path}", params=query or None)

    async def post(self, path: str, body: Any = None, **headers: str) -> httpx.Response:
        """POST JSON below /api/v1; `if_match` becomes If-Match."""
        return await self.client.post(f"/api/v1{path}", json=body, headers=_headers(headers))

    async def put(self, path: str, body: Any = None, **headers: str) -> httpx.Response:
        """PUT JSON below /api/v1; `if_match` becomes If-Match."""
        return await self.client.put(f"/api/v1{path}", json=body, headers=_headers(headers))

    async def patch(self, path: str, body: Any = None, if_match: str = "*") -> httpx.Response:
        """PATCH JSON below /api/v1, whatever is there, unless `if_match` says which version."""
        return await self.client.patch(f"/api/v1{path}", json=body, headers={"If-Match": if_match})

    async def by(self, token: str, method: str, path: str, body: Any = None) -> httpx.Response:
        """A request below /api/v1 of somebody else than TESTER; empty: of nobody."""
        headers = {"authorization": f"Bearer {token}"} if token else {}
        request = self.client.build_request(method, f"/api/v1{path}", json=body, headers=headers)
        if not token:
            del request.headers["authorization"]
        return await self.client.send(request)

    async def delete(self, path: str, if_match: str = "*") -> httpx.Response:
        """DELETE below /api/v1, whatever is there, unless `if_match` says which version."""
        return await self.client.delete(f"/api/v1{path}", headers={"If-Match": if_match})

    async def owed(self) -> list[Event]:
        """The events in the outbox."""
        async with self.context.database.reading() as session:
            rows = await session.scalars(select(OutboxEntry.content).order_by(OutboxEntry.sequence))
            return [Message.from_bytes(content).event() for content in rows]

    async def add(self, *rows: Any) -> None:
        """Put rows into the database as their services would."""
        async with self.context.database.session() as session:
            for row in rows:
                session.add(row)
                await session.flush()

    async def project(self, name: str = "ABCD-study", **values: Any) -> dict[str, Any]:
        """A project with a folder as its destination."""
        await self.post("/destinations", {"name": "here", "kind": "folder"})
        answer = await self.post("/projects", {"name": name, "destinations": ["here"], **values})
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made


def _headers(given: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in given.items()}


def kind(answer: httpx.Response) -> str:
    """The kind of a problem."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    return str(answer.json()["type"]).rpartition(":")[2]


@cache
def _built() -> FastAPI:
    return build()


def routes() -> FastAPI:
    """All routes with nothing behind them; they are built once, which is most of what an api takes to start."""
    app = copy(_built())
    app.state, app.user_middleware, app.middleware_stack = State(), [], None
    app.router = copy(app.router)
    app.router.routes = list(app.router.routes)
    app.router.middleware_stack = app.router.app
    return app


@asynccontextmanager
async def running(database: Database, folder: Path, bus: Bus | None = None, **settings: Any) -> AsyncIterator[Api]:
    """An api on a migrated database, asked by TESTER; `settings` are the api's own."""
    bus = bus or EmbeddedBus(database)
    context = Context(
        settings=Settings(data=folder, secret_key=KEY),
        store=Store(folder),
        bus=bus,
        health=Health(),
        maybe_database=database,
        maybe_relay=Relay(database, bus),
    )
    context.health.checks["database"] = database.ping
    journal = Journal(context.store, "api")
    app = create_app(context, journal, ApiSettings(**{**CHEAP, **settings}), routes())
    await invite(database)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url=BASE, headers=BEARER) as client:
        yield Api(client, context, journal)
    journal.close()


def study_rows(
    vault: Vault,
    uid: str,
    *,
    accession: str = "",
    patient_id: str = "P-1",
    issuer: str = "",
    arrived: bool = True,
    first_seen_at: datetime | None = None,
) -> list[Any]:
    """What the indexer writes of a study, without its series."""
    patient = vault.hash("patient", patient_id, issuer)
    details = {"PatientID": patient_id, "StudyDescription": "MR brain", "InstitutionName": "Clinic"}
    return [
        Study(
            study_instance_uid=uid,
            patient=patient,
            accession_hash=vault.hash("accession", accession) if accession else None,
            study_date="20260102",
            modalities=["MR"],
            series_count=1,
            instance_count=2,
            first_seen_at=first_seen_at or now(),
            arrived_at=now() if arrived else None,
        ),
        StudyIdentity(
            study_instance_uid=uid,
            accession_number=vault.encrypt(accession),
            details=vault.encrypt(json.dumps(details)),
        ),
    ]


def patient_rows(
    vault: Vault, patient_id: str, name: str = "Doe^Jane", issuer: str = "", hashed: bool = True
) -> list[Any]:
    """What the indexer writes of a patient; not `hashed`: wrote, before PatientIDs were hashed alone."""
    patient = vault.hash("patient", patient_id, issuer)
    return [
        Patient(id=patient),
        PatientIdentity(
            id=patient,
            patient_id=vault.encrypt(patient_id),
            patient_id_hash=vault.hash("patient id", patient_id) if hashed else None,
            patient_name=vault.encrypt(name),
        ),
    ]


def series_rows(study: str, uid: str, instances: int = 2, revision: int = 1) -> list[Any]:
    """What the indexer writes of a series and its instances."""
    return [
        Series(
            series_instance_uid=uid,
            study_instance_uid=study,
            modality="MR",
            series_number="3",
            description="t1",
            classify_types=["T1"],
            header={"EchoTime": "2.98"},
            instance_count=instances,
            revision=revision,
            open_since=None if revision else now(),
        ),
        *(
            Instance(
                sop_instance_uid=f"{uid}.{number}",
                series_instance_uid=uid,
                study_instance_uid=study,
                sop_class_uid=MRImageStorage,
                transfer_syntax_uid=ExplicitVRLittleEndian,
                path=f"archive/scp_{study}/{uid}.{number}.dcm",
                size=1000,
                association="a",
                revision=revision or None,
            )
            for number in range(1, instances + 1)
        ),
    ]


def assignment(study: str, project: str, participant: str = "X1", refused: str | None = None) -> Assignment:
    """What the router writes when it has taken (or refused) an assignment."""
    return Assignment(
        id=str(uuid4()),
        study_instance_uid=study,
        project=project,
        participant=participant,
        event="Unknown",
        reason="person",
        refused=refused,
    )


def dicom(study: str = "", sop: str = "", filler: int = 0, **attributes: Any) -> bytes:
    """A small DICOM file; `filler` bytes of private data make it larger."""
    dataset = Dataset()
    dataset.SOPClassUID = MRImageStorage
    dataset.SOPInstanceUID = sop or generate_uid()
    dataset.StudyInstanceUID = study or generate_uid()
    dataset.SeriesInstanceUID = generate_uid()
    dataset.PatientName = "Doe^Jane"
    if filler:
        dataset.add_new(0x00091010, "OB", b"\r\n--x\0" * (filler // 6 + 1))
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = MRImageStorage
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    content = io.BytesIO()
    pydicom.dcmwrite(content, dataset, enforce_file_format=True)
    return content.getvalue()


def multipart(parts: Sequence[bytes], boundary: str = "x", part_type: str | None = "application/dicom") -> bytes:
    """A multipart/related body."""
    head = f"Content-Type: {part_type}\r\n" if part_type else ""
    return b"".join(
        [f"--{boundary}\r\n{head}\r\n".encode() + part + b"\r\n" for part in parts] + [f"--{boundary}--\r\n".encode()]
    )


def stow_type(boundary: str = "x") -> str:
    """The Content-Type of such a request."""
    return f'multipart/related; type="application/dicom"; boundary={boundary}'


def chunks(content: bytes, size: int) -> Iterable[bytes]:
    """The content in pieces."""
    return (content[start : start + size] for start in range(0, len(content), size))
