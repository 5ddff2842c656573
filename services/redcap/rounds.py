"""Round after round: every REDCap project that is owed something, and can be asked, gets its turn."""

import asyncio

from sqlalchemy import select

from services.redcap.client import Away, MayNotWrite, Refused
from services.redcap.comparison import keep
from services.redcap.definition.lacking import Unfit
from services.redcap.owed import is_due
from services.redcap.settings import RedcapSettings
from services.redcap.takeover.reading import Reader
from services.redcap.targets import Targets
from services.redcap.tokens import TABLES, Tokens
from services.redcap.writing.writer import Writer
from shared.database import Database, DatabaseUnavailable
from shared.log import logger
from shared.tables import RedcapOwed, RedcapTarget

log = logger("redcap")


class Rounds:
    """What the service does all day."""

    def __init__(
        self,
        database: Database,
        targets: Targets,
        tokens: Tokens,
        writer: Writer,
        reader: Reader,
        settings: RedcapSettings,
    ) -> None:
        self._database = database
        self._targets = targets
        self._tokens = tokens
        self._writer = writer
        self._reader = reader
        self._settings = settings

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                if await self.round():
                    continue
            except DatabaseUnavailable as error:
                log.warning("database unavailable", error=str(error))
            except Exception:
                log.exception("round failed")
            await asyncio.sleep(self._settings.poll_seconds)

    async def round(self) -> bool:
        """Everybody's turn; whether anybody has more to do."""
        await self._targets.settle([*self._tokens.targets(), *([TABLES] if self._settings.reads else [])])
        more = False
        for target in await self._targets.open():
            if await self._wanted(target):
                async with self._targets.held(target) as mine:
                    more |= mine and await self._turn(target)
        return more

    async def _turn(self, target: str) -> bool:
        """Whether there is more to do; what goes wrong holds up nobody else."""
        try:
            return await (self._read() if target == TABLES else self._write(target))
        except (Away, Refused, Unfit) as error:
            await self._ill(target, error)
        except DatabaseUnavailable:
            raise
        except Exception as error:
            await self._targets.ill(target, f"unexpected {type(error).__name__}")
            log.exception("turn failed", project=target)
        return False

    async def _ill(self, target: str, error: Away | Refused | Unfit) -> None:
        # It may have been redefined meanwhile.
        self._writer.forget(target)
        seconds = await self._targets.ill(target, str(error))
        log.warning("REDCap has not done what it was asked", project=target, why=str(error), seconds=seconds)

    async def _write(self, target: str) -> bool:
        try:
            paid = await self._writer.pay(target)
        except MayNotWrite as error:
            # What may be read can be compared: who has asked for that would wait for ever for what is owed to be paid.
            await self._ill(target, error)
            await self._compare(target)
            return False
        more = paid or await self._compare(target)
        await self._targets.well(target, wrote=paid)
        return more

    async def _read(self) -> bool:
        """Take over what REDCap's tables say, and come back for more in a while."""
        async with self._database.reading() as session:
            row = await session.get_one(RedcapTarget, TABLES)
        found = await self._reader.read()
        async with self._database.session() as session:
            await keep(session, TABLES, row.comparison, found, repair=False)
        await self._targets.well(TABLES, again=self._settings.read_minutes * 60)
        return False

    async def _compare(self, target: str) -> bool:
        """When somebody has asked for it, and all that can be paid is; whether there is more to pay now."""
        async with self._database.reading() as session:
            row = await session.get_one(RedcapTarget, target)
        if row.comparison is None:
            return False
        self._writer.forget(target)
        if row.repair:
            await self._writer.complete(target)
        found = await (await self._writer.comparison(target)).differences()
        async with self._database.session() as session:
            await keep(session, target, row.comparison, found, row.repair)
        log.info("compared", project=target, differences=len(found), repair=row.repair)
        return row.repair and bool(found)

    async def _wanted(self, target: str) -> bool:
        if target == TABLES:
            return True
        mine = RedcapOwed.project == target, is_due()
        asked = RedcapTarget.project == target, RedcapTarget.comparison.is_not(None)
        async with self._database.reading() as session:
            owed = await session.scalar(select(RedcapOwed.subject).where(*mine).limit(1))
            return owed is not None or await session.scalar(select(RedcapTarget.project).where(*asked)) is not None
