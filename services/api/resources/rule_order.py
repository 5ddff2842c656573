"""The order in which a project's routing rules are tried: the first that fits wins."""

from typing import Annotated

from fastapi import APIRouter
from pydantic import Field
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from services.api.answers import Shape, example
from services.api.etags import EDITED, SHOWN, Edit, Shown
from services.api.needs import Ctx, Identity, ProjectName
from services.api.problems import FieldError, documented, invalid
from services.api.projects import get_project
from services.api.resources.rules import APART, ORDER
from shared.database import lock
from shared.tables import RoutingRule

router = APIRouter(tags=["rules"])


class RuleOrder(Shape):
    """All rules of a project, active or not, in their order."""

    model_config = example(rules=["7a0c9d0e-7a55-4d0a-8d3f-3a1d54f0d0aa", "2f0c61a9-3a0b-4f7e-8d11-9f5f8f0f6a10"])
    rules: Annotated[list[Identity], Field(max_length=10_000)]


@router.get(
    "/projects/{name}/rules/order",
    summary="The order of a project's routing rules",
    responses=documented("unknown-project") | SHOWN,
)
async def show_rule_order(context: Ctx, name: ProjectName, shown: Shown) -> RuleOrder:
    """The ETag is what re-ordering takes: a rule that was made meanwhile is not overlooked."""
    async with context.database.reading() as session:
        await get_project(session, name)
        return shown(_order(await _rules(session, name)))


@router.put(
    "/projects/{name}/rules/order",
    summary="Put a project's routing rules in another order",
    responses=documented("unknown-project", "invalid-request", *EDITED),
)
async def replace_rule_order(context: Ctx, name: ProjectName, wish: RuleOrder, edit: Edit) -> RuleOrder:
    """Names every rule of the project once. It holds for studies that arrive from now on."""
    async with context.database.session() as session:
        await lock(session, "rule order", name)
        await get_project(session, name)
        rows = await _rules(session, name, locking=True)
        edit.check(_order(rows))
        by_id = {row.id: row for row in rows}
        if sorted(wish.rules) != sorted(by_id):
            raise invalid(FieldError(loc=["body", "rules"], msg="names every rule of the project once", type="set"))
        for place, identity in enumerate(wish.rules, 1):
            by_id[identity].position = place * APART
        return edit.made(wish)


def _order(rows: list[RoutingRule]) -> RuleOrder:
    return RuleOrder(rules=[row.id for row in rows])


async def _rules(session: AsyncSession, project: str, locking: bool = False) -> list[RoutingRule]:
    mine = select(RoutingRule).where(RoutingRule.project == project).order_by(*ORDER)
    return list(await session.scalars(mine.with_for_update() if locking else mine))
