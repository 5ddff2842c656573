"""Pays what a REDCap project is owed, batch by batch; killed at any moment, the next one finds what is still owed."""

import time
from collections.abc import Collection
from dataclasses import dataclass

import httpx
from prometheus_client import Counter

from services.redcap.client import Pace, Redcap, Refused
from services.redcap.comparison import Comparison
from services.redcap.definition.design import NotAdded, add, forbidden
from services.redcap.definition.lacking import Addition
from services.redcap.definition.schema import Schema, read_schema
from services.redcap.owed import due, paid, park, postpone
from services.redcap.settings import RedcapSettings
from services.redcap.tokens import Tokens
from services.redcap.writing.batch import Debt, imported, numbered, portions
from services.redcap.writing.gathering import Gatherer
from services.redcap.writing.imaging import basics
from shared.database import Database
from shared.log import logger
from shared.tables import RedcapOwed, RedcapTarget

log = logger("redcap")
ROWS = Counter("fiona_redcap_paid_total", "What REDCap was owed, by kind and by what became of it", ["kind", "outcome"])
SCHEMA_SECONDS = 600.0
"""How long a REDCap project's definition is taken to hold; a refusal ends it at once."""

NOT_YET_SECONDS = 5.0
STUBBORN = 3
"""Failures in a row after which it is tried whether a row is at fault, when REDCap answers otherwise."""

ADDITIONS = 4
"""Looks at a definition that is added to: an event, its instruments, and once more when all is there."""


@dataclass
class Known:
    """A definition, and since when."""

    schema: Schema
    since: float


class Writer:
    """All REDCap projects of one process."""

    def __init__(
        self,
        database: Database,
        gatherer: Gatherer,
        settings: RedcapSettings,
        tokens: Tokens,
        http: httpx.AsyncClient,
        pace: Pace,
    ) -> None:
        self._database = database
        self._gatherer = gatherer
        self._settings = settings
        self._tokens = tokens
        self._http = http
        self._pace = pace
        self._known: dict[str, Known] = {}

    def redcap(self, target: str) -> Redcap:
        """The way to a REDCap project. Refused when there is no token that could be one."""
        token = self._tokens.of(target)
        if token is None or self._settings.url is None:
            raise Refused(401, "")
        return Redcap(self._http, self._settings.url, token, self._pace)

    async def schema(self, target: str) -> Schema:
        """What it defines; asked for now and then."""
        known = self._known.get(target)
        if known is None or time.monotonic() - known.since > SCHEMA_SECONDS:
            known = Known(await read_schema(self.redcap(target)), time.monotonic())
            self._known[target] = known
        return known.schema

    async def comparison(self, target: str) -> Comparison:
        """Of this REDCap project with the gateway."""
        schema = await self.schema(target)
        why_not = forbidden(schema) if self._settings.add_events else "FIONA_REDCAP_ADD_EVENTS is off"
        return Comparison(self._database, self._gatherer, self.redcap(target), schema, target, why_not)

    async def complete(self, target: str) -> None:
        """Add to its definition what may have to be there, as far as that may be added."""
        for _ in range(ADDITIONS):
            lacks = await (await self.comparison(target)).lacks()
            additions = [lack.addition for lack in lacks if lack.addition is not None]
            if not additions or await self._not_added(target, additions) is not None:
                return

    def forget(self, target: str) -> None:
        """Somebody may have changed its definition."""
        self._known.pop(target, None)

    async def pay(self, target: str) -> bool:
        """One batch; whether there was anything to pay. Raises Away, and Refused when nobody listens to us."""
        async with self._database.reading() as session:
            failures = (await session.get_one(RedcapTarget, target)).failures
            # What was too much for it is less the next time.
            owed = await due(session, target, max(1, self._settings.batch_rows >> failures))
        if not owed:
            return False
        schema, debts = await self._gathered(target, owed)
        rows = await numbered(self._database, self.redcap(target), schema, target, debts)
        for portion in portions(rows, self._settings.batch_rows, self._settings.batch_bytes):
            taken, refused = await imported(self.redcap(target), portion, stubborn=failures >= STUBBORN)
            async with self._database.session() as session:
                await paid(session, [each.owed for each in taken])
                await park(session, [(each.owed, why) for each, why in refused])
            self._count(taken=[each.owed for each in taken], parked=[each.owed for each, _ in refused])
            if refused:
                self.forget(target)
                log.warning("rows refused", project=target, rows=len(refused))
        return True

    async def _gathered(self, target: str, owed: list[RedcapOwed]) -> tuple[Schema, list[Debt]]:
        """The debts that can be paid now; the others are put off, parked, or are none any more.

        An event that is added may lack instruments, and those have to repeat: what is added is looked at again.
        """
        why_not: str | None = None
        for _ in range(ADDITIONS):
            schema = await self.schema(target)
            async with self._database.reading() as session:
                found = await self._gatherer.gathered(session, schema, owed)
            if not found.additions or (why_not := await self._not_added(target, found.additions)) is not None:
                break
        waiting = found.waiting(why_not or "")
        async with self._database.session() as session:
            await paid(session, found.gone)
            await postpone(session, found.later, NOT_YET_SECONDS)
            await park(session, waiting)
        self._count(parked=[each for each, _ in waiting])
        if waiting:
            self.forget(target)
            log.warning("some wait for a person", project=target, why="; ".join({why for _, why in waiting}))
        return schema, found.debts

    async def _not_added(self, target: str, additions: Collection[Addition]) -> str | None:
        """Add it to its definition; None, or why it was not (empty: nobody wants it to be)."""
        if not self._settings.add_events:
            return ""
        schema = await self.schema(target)
        self.forget(target)
        try:
            await add(self.redcap(target), schema, additions, basics(self._gatherer.mapping.project, schema))
        except NotAdded as error:
            return str(error)
        log.info("added to REDCap's definition", project=target, additions=len(additions))
        return None

    @staticmethod
    def _count(**by_outcome: list[RedcapOwed]) -> None:
        for outcome, owed in by_outcome.items():
            for each in owed:
                ROWS.labels(each.kind, outcome).inc()
