"""The row that a request is about; the problem that it is not there says of what there is none."""

from collections.abc import Mapping
from typing import Any, Final, TypeVar

from sqlalchemy.ext.asyncio import AsyncSession

from services.api.problems import Problem
from shared.tables import (
    Account,
    Application,
    Assignment,
    Base,
    Contract,
    Correction,
    Destination,
    Mail,
    Project,
    ProjectLeftover,
    ProjectProfile,
    RoutingRule,
    Series,
    Transfer,
)

UNKNOWN: Final[Mapping[type[Base], str]] = {
    Account: "unknown-account",
    Application: "unknown-application",
    Assignment: "unknown-assignment",
    Contract: "unknown-contract",
    Correction: "unknown-correction",
    Destination: "unknown-destination",
    Mail: "unknown-mail",
    Project: "unknown-project",
    ProjectLeftover: "unknown-leftover",
    ProjectProfile: "unknown-profile",
    RoutingRule: "unknown-rule",
    Series: "unknown-series",
    Transfer: "unknown-transfer",
}

Row = TypeVar("Row", bound=Base)


async def get_row(session: AsyncSession, table: type[Row], key: Any, locked: bool = False) -> Row:
    """By its primary key; locked: nobody else changes it until the transaction ends."""
    row = await session.get(table, key, with_for_update=locked)
    if row is None:
        raise Problem(UNKNOWN[table])
    return row
