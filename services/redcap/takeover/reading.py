"""Reads the tables in REDCap that people still keep there, and has them taken over; one process at a time."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import httpx
from pydantic import SecretStr

from services.redcap.client import Pace, Redcap, Refused
from services.redcap.comparing import Difference
from services.redcap.definition.lacking import Lack, Unfit
from services.redcap.definition.schema import Schema, read_schema
from services.redcap.mapping import CouplingColumns, Mapping, ProjectColumns, RoutingColumns
from services.redcap.settings import RedcapSettings
from services.redcap.takeover import wishes
from services.redcap.takeover.taken_over import Takeover
from services.redcap.takeover.wishes import Wish

Columns = ProjectColumns | RoutingColumns | CouplingColumns
Take = Callable[[Sequence[Wish]], Awaitable[None]]


class Reader:
    """The tables that there are tokens for."""

    def __init__(
        self,
        settings: RedcapSettings,
        http: httpx.AsyncClient,
        pace: Pace,
        mapping: Mapping,
        takeover: Callable[[], Takeover],
    ) -> None:
        self._settings = settings
        self._http = http
        self._mapping = mapping
        self._takeover = takeover
        self._pace = pace

    async def read(self) -> list[Difference]:
        """Take all of it over; what could not be agreed on. Raises Away, and Refused when nobody listens to us."""
        takeover, names, settings = self._takeover(), self._mapping, self._settings
        tables: tuple[tuple[SecretStr | None, Columns, Callable[..., list[Wish]], Take], ...] = (
            (settings.projects_token, names.projects, wishes.projects, takeover.projects),
            (settings.routing_token, names.routing, wishes.rules, takeover.rules),
            (settings.coupling_token, names.coupling, wishes.entries, takeover.entries),
        )
        for token, columns, understood, take in tables:
            if token is not None:
                rows, schema = await self._rows(token, columns)
                await take(understood(rows, schema, columns))
        return takeover.found

    async def _rows(self, token: SecretStr, columns: Columns) -> tuple[list[dict[str, Any]], Schema]:
        if self._settings.url is None:
            raise Refused(404, "")
        redcap = Redcap(self._http, self._settings.url, token.get_secret_value(), self._pace)
        schema = await read_schema(redcap)
        wanted = list(dict.fromkeys([schema.record, *wishes.columns_of(columns)]))
        if missing := [name for name in wanted if name not in schema.fields]:
            raise Unfit(Lack(f"the table that is read has no field {', '.join(missing)}"))
        return await redcap.records(wanted), schema
