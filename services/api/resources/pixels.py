"""What was found in pixels and hidden: boxes; for those who review the texts, and pictures of before."""

import asyncio
import json
from base64 import b64decode
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from cryptography.exceptions import InvalidTag
from fastapi import APIRouter, Response
from pydantic import Field
from sqlalchemy import select

from services.api.answers import Page, Shape, example
from services.api.needs import Ctx, Identity, Limit, Offset, Uid
from services.api.problems import Problem, documented
from shared.log import logger
from shared.service import Context
from shared.store import Store
from shared.tables import Transfer, TransferPart

router = APIRouter(tags=["pixels"])
log = logger("api")
PICTURE: dict[int | str, dict[str, Any]] = {
    200: {"content": {"image/png": {"schema": {"type": "string", "format": "binary"}, "example": "PNG"}}}
}

BOX = {"x": 12, "y": 8, "width": 120, "height": 18, "confidence": 0.98, "kind": "text"}
EXAMPLE = {
    "sop_instance_uid": "2.25.20001",
    "series_instance_uid": "1.2.826.0.1.3680043.8.498.1.2",
    "revision": 1,
    "read": 42,
    "changed": 42,
    "exempt": False,
    "masks": ["vendor status line"],
    "boxes": 1,
    "pictures": True,
}


class PixelFinding(Shape):
    """What was found in the pixels of one de-identified instance, in numbers."""

    model_config = example(**EXAMPLE)
    sop_instance_uid: str = Field(description="of the de-identified instance")
    series_instance_uid: str = Field(description="of the source")
    revision: int
    read: int = Field(description="frames that were read")
    changed: int = Field(description="frames in which something was hidden")
    exempt: bool = Field(description="not read, because the project's profile says so")
    masks: list[str] = Field(description="the masks of devices that were applied, by name")
    boxes: int = Field(description="different places")
    pictures: bool = Field(description="whether there are pictures of before and after")


class Box(Shape):
    """Columns [x, x+width), rows [y, y+height) of a frame."""

    x: int
    y: int
    width: int
    height: int
    confidence: float = Field(description="0 to 1, of the reading")
    kind: Literal["text", "code", "region", "mask"]


class ReadBox(Box):
    """A box and what was read there."""

    text: str


class FrameItem(Shape):
    """Frames that share what was found."""

    frames: list[list[int]] = Field(description="[first, last] of each run, numbered from 1")
    boxes: list[Box]


class ReadFrameItem(Shape):
    """The same with what was read."""

    frames: list[list[int]]
    boxes: list[ReadBox]


class FindingDetail(PixelFinding):
    """What was hidden where."""

    model_config = example(**EXAMPLE, frames=[{"frames": [[1, 42]], "boxes": [BOX]}])
    frames: list[FrameItem]


class FindingTexts(PixelFinding):
    """What was hidden where, and what was read there."""

    model_config = example(**EXAMPLE, frames=[{"frames": [[1, 42]], "boxes": [BOX | {"text": "DOE JANE"}]}])
    frames: list[ReadFrameItem]


@dataclass(frozen=True)
class Found:
    """The files of one instance: `stem` with `.json`, `.after.png` and `.sealed`."""

    stem: Path
    series: str
    revision: int

    def file(self, ending: str) -> Path:
        """One of them, whether it is there or not."""
        return self.stem.with_name(self.stem.name + ending)

    def numbers(self, content: dict[str, Any]) -> dict[str, Any]:
        """The fields of PixelFinding."""
        return {
            "sop_instance_uid": self.stem.name,
            "series_instance_uid": self.series,
            "revision": self.revision,
            **{name: content[name] for name in ("read", "changed", "exempt", "masks")},
            "boxes": sum(len(each["boxes"]) for each in content["frames"]),
            "pictures": self.file(".after.png").is_file(),
        }

    def item(self) -> PixelFinding:
        """In numbers."""
        return PixelFinding(**self.numbers(json.loads(self.file(".json").read_bytes())))

    def detail(self) -> FindingDetail:
        """With its boxes."""
        content = json.loads(self.file(".json").read_bytes())
        return FindingDetail(**self.numbers(content), frames=content["frames"])


@router.get(
    "/transfers/{identity}/pixels",
    summary="What was found in the pixels of a transfer",
    responses=documented("unknown-transfer"),
)
async def list_findings(context: Ctx, identity: Identity, limit: Limit = 100, offset: Offset = 0) -> Page[PixelFinding]:
    """Every instance whose pixels were read or exempt, series by series; no text that was read."""
    found = await _all(context, identity)
    some = found[offset : offset + limit]
    items = await asyncio.to_thread(lambda: [each.item() for each in some])
    return Page(items=items, total=len(found))


@router.get(
    "/transfers/{identity}/pixels/{sop}",
    summary="What was hidden in one instance",
    responses=documented("unknown-transfer", "unknown-finding"),
)
async def show_finding(context: Ctx, identity: Identity, sop: Uid) -> FindingDetail:
    """Boxes, frames and confidences; no text that was read."""
    found = await _one(context, identity, sop)
    return await asyncio.to_thread(found.detail)


@router.get(
    "/transfers/{identity}/pixels/{sop}/texts",
    summary="What was read in one instance",
    responses=documented("unknown-transfer", "unknown-finding"),
)
async def show_texts(context: Ctx, identity: Identity, sop: Uid) -> FindingTexts:
    """Box by box, of the patient that it is of: the log notes that it was shown, never what."""
    found = await _one(context, identity, sop)
    content = (await _opened(context, identity, found))["findings"]
    return FindingTexts(**found.numbers(content), frames=content["frames"])


@router.get(
    "/transfers/{identity}/pixels/{sop}/after.png",
    summary="A picture of the result",
    response_class=Response,
    responses=PICTURE | documented("unknown-transfer", "unknown-finding", "unknown-picture"),
)
async def show_after(context: Ctx, identity: Identity, sop: Uid) -> Response:
    """One frame, at most 512 pixels wide and high."""
    found = await _one(context, identity, sop)
    picture = found.file(".after.png")
    if not picture.is_file():
        raise Problem("unknown-picture")
    return Response(await asyncio.to_thread(picture.read_bytes), media_type="image/png")


@router.get(
    "/transfers/{identity}/pixels/{sop}/before.png",
    summary="A picture of the source",
    response_class=Response,
    responses=PICTURE | documented("unknown-transfer", "unknown-finding", "unknown-picture"),
)
async def show_before(context: Ctx, identity: Identity, sop: Uid) -> Response:
    """The same frame with what was hidden in it: the log notes that it was shown."""
    found = await _one(context, identity, sop)
    picture = b64decode((await _opened(context, identity, found))["before"])
    if not picture:
        raise Problem("unknown-picture")
    return Response(picture, media_type="image/png")


async def _opened(context: Context, transfer: str, found: Found) -> dict[str, Any]:
    """What is sealed beside the findings."""
    sealed = found.file(".sealed")
    if not sealed.is_file():
        raise Problem("unknown-picture")
    log.info("hidden pixels shown", transfer=transfer, sop_instance_uid=found.stem.name)
    try:
        opened = context.vault.decrypt(await asyncio.to_thread(sealed.read_bytes))
    except InvalidTag:
        raise Problem("wrong-key") from None
    content: dict[str, Any] = json.loads(opened)
    return content


async def _one(context: Context, transfer: str, sop: str) -> Found:
    for series, revision in await _parts(context, transfer):
        found = Found(context.store / Store.findings(transfer, series, revision, sop), series, revision)
        if found.file(".json").is_file():
            return found
    raise Problem("unknown-finding")


async def _all(context: Context, transfer: str) -> list[Found]:
    parts = await _parts(context, transfer)

    def look() -> list[Found]:
        found = []
        for series, revision in parts:
            folder = (context.store / Store.findings(transfer, series, revision, "x")).parent
            stems = sorted(path.with_suffix("") for path in folder.glob("*.json"))
            found += [Found(stem, series, revision) for stem in stems]
        return found

    return await asyncio.to_thread(look)


async def _parts(context: Context, transfer: str) -> list[tuple[str, int]]:
    """(SeriesInstanceUID, revision) of each part; a problem when there is no such transfer."""
    columns = TransferPart.series_instance_uid, TransferPart.revision
    async with context.database.reading() as session:
        if await session.get(Transfer, transfer) is None:
            raise Problem("unknown-transfer")
        rows = await session.execute(
            select(*columns).where(TransferPart.transfer == transfer).distinct().order_by(*columns)
        )
        return [(series, revision) for series, revision in rows]
