"""Series: how far each has come in, and what its header says without naming anybody."""

from typing import Any

from fastapi import APIRouter
from pydantic import Field
from sqlalchemy import select

from services.api.actor import Who
from services.api.answers import Shape, example
from services.api.needs import Ctx, Uid
from services.api.problems import Problem, documented
from services.api.sight import studies_in_sight
from shared.tables import Series, Study

router = APIRouter(tags=["studies"])

EXAMPLE = {
    "series_instance_uid": "1.2.826.0.1.3680043.8.498.1.1",
    "modality": "MR",
    "series_number": "3",
    "description": "t1_mprage_sag",
    "instances": 192,
    "revision": 1,
    "arrived": True,
    "classify_types": ["T1"],
}


class SeriesItem(Shape):
    """A series."""

    model_config = example(**EXAMPLE)
    series_instance_uid: str
    modality: str | None
    series_number: str | None
    description: str | None
    instances: int
    revision: int = Field(description="how often it has arrived: late instances make a next one")
    arrived: bool = Field(description="false while instances are still coming in")
    classify_types: list[str]


class SeriesDetail(SeriesItem):
    """A series with its header."""

    model_config = example(
        **EXAMPLE,
        study_instance_uid="1.2.826.0.1.3680043.8.498.1",
        sop_class_uid="1.2.840.10008.5.1.4.1.1.4",
        header={"EchoTime": "2.98", "RepetitionTime": "2300"},
    )
    study_instance_uid: str
    sop_class_uid: str | None
    header: dict[str, Any] = Field(description="as in the series JSON, without what names a person")


def series_item(row: Series) -> SeriesItem:
    """A row as an item."""
    return SeriesItem(**_fields(row))


def _fields(row: Series) -> dict[str, Any]:
    return {
        "series_instance_uid": row.series_instance_uid,
        "modality": row.modality,
        "series_number": row.series_number,
        "description": row.description,
        "instances": row.instance_count,
        "revision": row.revision,
        "arrived": row.revision > 0 and row.open_since is None,
        "classify_types": row.classify_types,
    }


@router.get("/series/{uid}", summary="One series with its header", responses=documented("unknown-series"))
async def show_series(context: Ctx, who: Who, uid: Uid) -> SeriesDetail:
    """What is known of it."""
    of_study = Study.study_instance_uid == Series.study_instance_uid
    query = select(Series).join(Study, of_study).where(Series.series_instance_uid == uid, studies_in_sight(who))
    async with context.database.reading() as session:
        row = await session.scalar(query)
    if row is None:
        raise Problem("unknown-series")
    return SeriesDetail(
        **_fields(row),
        study_instance_uid=row.study_instance_uid,
        sop_class_uid=row.sop_class_uid,
        header=row.header,
    )
