"""Who may see what belongs to a project: its members, and those who are members everywhere."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from services.api.actor import EVERY_PROJECT
from services.api.data_protection.shapes import Member
from shared.tables import Account, Membership


async def members(session: AsyncSession, project: str) -> list[Member]:
    """Those whose account is not disabled, by login."""
    query = (
        select(Membership, Account.name)
        .join(Account, Account.login == Membership.account)
        .where(Membership.project.in_((project, EVERY_PROJECT)), ~Account.disabled)
        .order_by(Membership.account, Membership.project, Membership.origin)
    )
    return [
        Member(
            login=row.account,
            name=name,
            roles=row.roles,
            sites=row.sites,
            everywhere=row.project == EVERY_PROJECT,
            since=row.created_at,
        )
        for row, name in await session.execute(query)
    ]
