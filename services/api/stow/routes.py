"""The store transaction: part after part into the journal, and one answer for all."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Request
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response

from services.api.metrics import STOW_BYTES, STOW_INSTANCES, STOW_REQUESTS
from services.api.needs import Uid
from services.api.problems import RETRY_AFTER, Problem, documented
from services.api.settings import ApiSettings
from services.api.stow.answer import MEDIA_TYPE, acceptable, dataset, status
from services.api.stow.multipart import Body, PartBegins, PartData, PartEnds, boundary_of
from services.api.stow.part import KEPT, Part, Stored, in_thread
from shared import tracing
from shared.journal import Association, Journal, Refusal
from shared.journal.outcome import refused
from shared.log import logger
from shared.switchable import Switch

log = logger("api")
router = APIRouter(prefix="/dicomweb", tags=["STOW-RS"])
AE_TITLE = "STOW-RS"
"""HTTP has no AE titles; events and routing rules know such requests, calling and called, by this."""

REQUEST = {
    "requestBody": {
        "required": True,
        "content": {
            'multipart/related; type="application/dicom"': {
                "schema": {"type": "string", "format": "binary"},
                "example": "--boundary\r\nContent-Type: application/dicom\r\n\r\n…\r\n--boundary--\r\n",
            }
        },
    }
}
EXAMPLE = {
    "00081190": {"vr": "UR"},
    "00081199": {
        "vr": "SQ",
        "Value": [
            {
                "00081150": {"vr": "UI", "Value": ["1.2.840.10008.5.1.4.1.1.4"]},
                "00081155": {"vr": "UI", "Value": ["1.2.826.0.1.3680043.8.498.1.1.1"]},
                "00081190": {"vr": "UR"},
            }
        ],
    },
}


def _stored(description: str) -> dict[str, Any]:
    return {
        "description": description,
        "content": {MEDIA_TYPE: {"schema": {"type": "object"}, "example": EXAMPLE}},
    }


RESPONSES: dict[int | str, dict[str, Any]] = {
    **documented("malformed-request", "not-acceptable", "too-slow", "too-large", "unsupported-media-type"),
    200: _stored("All instances are on disk"),
    202: _stored("Some are; the others are listed with a Failure Reason"),
    409: _stored("None is"),
    503: _stored("None is: the disk is full (A700H), or too many requests at once"),
}
RESPONSES[503]["content"] |= documented("busy", "receiving-off")[503]["content"]


class DicomJson(JSONResponse):
    """DICOM JSON (PS3.18 Annex F)."""

    media_type = MEDIA_TYPE


class Intake:
    """Where instances go, and how many requests may bring some at once."""

    def __init__(self, journal: Journal, settings: ApiSettings) -> None:
        self.journal = journal
        self.settings = settings
        self._going = 0

    def __enter__(self) -> None:
        if self._going >= self.settings.stow_requests:
            raise Problem("busy")
        self._going += 1
        STOW_REQUESTS.inc()

    def __exit__(self, *_: object) -> None:
        self._going -= 1
        STOW_REQUESTS.dec()


def _intake(request: Request) -> Intake:
    intake: Intake = request.app.state.intake
    return intake


In = Annotated[Intake, Depends(_intake)]
Accept = Annotated[str, Header(description="application/dicom+json")]


@router.post(
    "/studies",
    summary="Store instances",
    response_class=DicomJson,
    responses=RESPONSES,
    openapi_extra=REQUEST,
)
async def store_instances(request: Request, intake: In, accept: Accept = "") -> Response:
    """Of any studies. An instance that is listed as stored is on disk and will be processed."""
    return await _store(request, intake, None, accept)


@router.post(
    "/studies/{study}",
    summary="Store instances of a study",
    response_class=DicomJson,
    responses=RESPONSES,
    openapi_extra=REQUEST,
)
async def store_study_instances(request: Request, study: Uid, intake: In, accept: Accept = "") -> Response:
    """Of this study only: others are refused."""
    return await _store(request, intake, study, accept)


async def _store(request: Request, intake: Intake, study_uid: str | None, accept: str) -> Response:
    if not acceptable(accept):
        raise Problem("not-acceptable", f"the answer is {MEDIA_TYPE}")
    body = Body(boundary_of(request.headers.get("content-type", "")))
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > intake.settings.stow_request_bytes:
        raise _too_large(intake)
    if not intake.journal.switches.is_on(Switch.RECEIVE):
        raise Problem("receiving-off")
    caller = request.client.host if request.client else ""
    with intake:
        association = intake.journal.association(AE_TITLE, AE_TITLE, caller, tracing.current())
        try:
            results = await _receive(_chunks(request, intake), body, association, study_uid, intake)
        finally:
            await in_thread(association.close)
    if not results:
        raise Problem("malformed-request", "there is no part in it")
    for each in results:
        STOW_INSTANCES.labels(each.outcome.kind.value).inc()
    code = status(results)
    log.info("stored", association=association.facts.id, status=code, instances=len(results), kept=association.kept)
    return DicomJson(dataset(results), code, {"Retry-After": RETRY_AFTER} if code == 503 else None)


async def _receive(
    chunks: AsyncIterator[bytes], body: Body, association: Association, study_uid: str | None, intake: Intake
) -> list[Stored]:
    """What became of each part. What breaks off in the middle does not undo what is kept: it is one failure more."""
    results: list[Stored] = []
    part: Part | None = None
    foreign = False
    try:
        async for chunk in chunks:
            for step in body.feed(chunk):
                match step:
                    case PartBegins(media_type):
                        foreign = media_type != "application/dicom"
                        part = Part(association, study_uid, intake.settings.stow_part_bytes)
                    case PartData(data) if part is not None and not foreign:
                        await part.write(data)
                    case PartEnds() if part is not None:
                        results.append(Stored(refused(Refusal.UNPARSABLE)) if foreign else await part.finish())
                        part = None
            if body.complete:
                return results
        raise Problem("malformed-request", "the body ends before its last boundary")
    except Problem:
        if not any(each.outcome.kind in KEPT for each in results):
            raise
        return [*results, Stored(refused(Refusal.UNPARSABLE))]
    finally:
        if part is not None:
            await part.abandon()


async def _chunks(request: Request, intake: Intake) -> AsyncIterator[bytes]:
    """The body as it comes, as long as it comes and is not too large."""
    size = 0
    stream = request.stream()
    while True:
        try:
            async with asyncio.timeout(intake.settings.stow_idle_seconds):
                chunk = await anext(stream, None)
        except TimeoutError:
            raise Problem("too-slow") from None
        except ClientDisconnect:
            raise Problem("malformed-request", "the client has gone") from None
        if chunk is None:
            return
        size += len(chunk)
        STOW_BYTES.inc(len(chunk))
        if size > intake.settings.stow_request_bytes:
            raise _too_large(intake)
        yield chunk


def _too_large(intake: Intake) -> Problem:
    return Problem("too-large", f"a request has at most {intake.settings.stow_request_bytes} bytes")
