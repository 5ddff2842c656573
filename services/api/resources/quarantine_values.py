"""The value that stopped an instance: for those who review, read from the archive, and noted that it was shown."""

from fastapi import APIRouter
from pydantic import Field
from sqlalchemy import select

from services.api.answers import Shape, example
from services.api.needs import Ctx, Identity, Uid
from services.api.peek import peek
from services.api.problems import Problem, documented
from services.api.resources.quarantine import EXAMPLE
from shared.dicom.apart import CannotRead
from shared.log import logger
from shared.tables import Instance, QuarantinedInstance

router = APIRouter(tags=["quarantine"])
log = logger("api")


class QuarantinedValue(Shape):
    """What stands at the attribute path of an instance in quarantine."""

    model_config = example(
        sop_instance_uid=EXAMPLE["sop_instance_uid"],
        rule="gate-name",
        where="(0008,103E)",
        keyword="SeriesDescription",
        vr="LO",
        value="knee DOE",
        whole=True,
        remark=None,
    )
    sop_instance_uid: str
    rule: str
    where: str
    keyword: str
    vr: str
    value: str | None = Field(description="null: there is none, or it is no text")
    whole: bool = Field(description="false: only its beginning is shown")
    remark: str | None = Field(description="why there is nothing to show")


@router.get(
    "/transfers/{identity}/quarantine/{sop}/value",
    summary="The value that stopped an instance",
    responses=documented("unknown-quarantined-instance", "file-gone"),
)
async def show_value(context: Ctx, identity: Identity, sop: Uid) -> QuarantinedValue:
    """As it stands in the archive, of the patient that it is of: the log notes who was shown, never what."""
    async with context.database.reading() as session:
        row = await session.get(QuarantinedInstance, (identity, sop))
        path = await session.scalar(select(Instance.path).where(Instance.sop_instance_uid == sop))
    if row is None:
        raise Problem("unknown-quarantined-instance")
    if path is None or not (file := context.store / path).is_file():
        raise Problem("file-gone")
    log.info("quarantined value shown", transfer=identity, sop_instance_uid=sop, where=row.where)
    found = {"keyword": "", "vr": "", "value": None, "whole": True}
    remark = None
    if not row.where:
        remark = "the rule is about the file as a whole"
    else:
        try:
            found = await peek(file, row.where)
        except CannotRead as error:
            remark = str(error)
    return QuarantinedValue(sop_instance_uid=sop, rule=row.rule, where=row.where, remark=remark, **found)
