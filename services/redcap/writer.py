"""Pays what a REDCap project is owed, batch by batch; killed at any moment, the next one finds what is still owed."""

import time
from dataclasses import dataclass

import httpx
from cryptography.exceptions import InvalidTag
from prometheus_client import Counter

from services.redcap.batch import Debt, imported, numbered, portions
from services.redcap.client import Pace, Redcap, Refused
from services.redcap.comparison import Comparison
from services.redcap.gathering import Gatherer, NotYet
from services.redcap.owed import due, paid, park, postpone
from services.redcap.schema import Schema, Unfit, read_schema
from services.redcap.settings import RedcapSettings
from services.redcap.tokens import Tokens
from shared.database import Database
from shared.log import logger
from shared.tables import RedcapOwed

log = logger("redcap")
ROWS = Counter("fiona_redcap_paid_total", "What REDCap was owed, by kind and by what became of it", ["kind", "outcome"])
SCHEMA_SECONDS = 600.0
"""How long a REDCap project's definition is taken to hold; a refusal ends it at once."""

NOT_YET_SECONDS = 5.0


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
        return Comparison(self._database, self._gatherer, self.redcap(target), schema, target)

    def forget(self, target: str) -> None:
        """Somebody may have changed its definition."""
        self._known.pop(target, None)

    async def pay(self, target: str) -> bool:
        """One batch; whether there was anything to pay. Raises Away, and Refused when nobody listens to us."""
        async with self._database.reading() as session:
            owed = await due(session, target, self._settings.batch_rows)
        if not owed:
            return False
        schema = await self.schema(target)
        debts = await self._gathered(target, schema, owed)
        rows = await numbered(self._database, self.redcap(target), schema, target, debts)
        for portion in portions(rows, self._settings.batch_rows, self._settings.batch_bytes):
            taken, refused = await imported(self.redcap(target), portion)
            async with self._database.session() as session:
                await paid(session, [each.owed for each in taken])
                await park(session, [(each.owed, why) for each, why in refused])
            self._count(taken=[each.owed for each in taken], parked=[each.owed for each, _ in refused])
            if refused:
                self.forget(target)
                log.warning("rows refused", project=target, rows=len(refused))
        return True

    async def _gathered(self, target: str, schema: Schema, owed: list[RedcapOwed]) -> list[Debt]:
        """The debts that can be paid now; the others are put off, parked, or are none any more."""
        debts: list[Debt] = []
        later: list[RedcapOwed] = []
        gone: list[RedcapOwed] = []
        unfit: list[tuple[RedcapOwed, str]] = []
        async with self._database.reading() as session:
            for each in owed:
                debt = Debt(each)
                try:
                    for line in await self._gatherer.lines(session, schema, each):
                        debt.add(line, schema, self._gatherer.mapping)
                except NotYet:
                    later.append(each)
                except Unfit as error:
                    unfit.append((each, str(error)))
                except (InvalidTag, OSError, ValueError) as error:
                    log.exception("what is owed cannot be said", project=target, kind=each.kind)
                    unfit.append((each, f"it cannot be read here ({type(error).__name__})"))
                else:
                    if debt.lines:
                        debts.append(debt)
                    else:
                        gone.append(each)
        async with self._database.session() as session:
            await paid(session, gone)
            await postpone(session, later, NOT_YET_SECONDS)
            await park(session, unfit)
        self._count(parked=[each for each, _ in unfit])
        if unfit:
            self.forget(target)
            log.warning("some wait for a person", project=target, why="; ".join({why for _, why in unfit}))
        return debts

    @staticmethod
    def _count(**by_outcome: list[RedcapOwed]) -> None:
        for outcome, owed in by_outcome.items():
            for each in owed:
                ROWS.labels(each.kind, outcome).inc()
