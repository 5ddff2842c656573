"""The mails that are owed, one by one: taken in hand, tried, and written down as sent or to be tried again.

Between a server's yes and our commit a crash makes a mail go twice, under one Message-ID; none is ever lost.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Final

from prometheus_client import Counter, Gauge
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from services.registry.clock import Clock
from services.registry.settings import RegistrySettings
from services.registry.smtp import Later, Letter, Refused, Server, connected
from shared.crypto import Vault
from shared.database import Database, DatabaseUnavailable
from shared.log import logger
from shared.moments import come_after_tries, rests
from shared.tables import Mail

log = logger("registry")
MAILS = Counter("fiona_registry_mails_total", "Tries to send a mail by what became of them", ["outcome"])
WAITING = Gauge("fiona_registry_mails_waiting", "Mails that are owed")
IN_HAND: Final = timedelta(minutes=10)
"""So long nobody else takes a mail up; longer than a server may take for one batch."""
BATCH: Final = 10
REST: Final = (60, 300, 900, 3600, 4 * 3600)
"""Seconds after the n-th try in vain; the last holds for all that follow."""
LONGEST: Final = rests(IN_HAND, REST)


async def count_mails(session: AsyncSession) -> None:
    """Say how many are owed, also when nobody can be asked to take them."""
    WAITING.set(await session.scalar(select(func.count()).where(Mail.state == "waiting")) or 0)


class Mailer:
    """Sends what is owed."""

    def __init__(self, database: Database, vault: Vault, settings: RegistrySettings, clock: Clock) -> None:
        self._database = database
        self._vault = vault
        self._settings = settings
        self._clock = clock

    async def run(self) -> None:
        """Until cancelled; a mail that is just being sent is finished first."""
        if self._settings.smtp_host is None:
            log.warning("no mail server is set: mails wait", where="FIONA_REGISTRY_SMTP_HOST")
        while True:
            round_ = asyncio.create_task(self.send_due())
            try:
                sent = await asyncio.shield(round_)
            except asyncio.CancelledError:
                with suppress(Exception):
                    await round_
                raise
            except DatabaseUnavailable as error:
                log.warning("database unavailable", error=str(error))
                sent = 0
            except Exception:
                log.exception("mails failed")
                sent = 0
            if not sent:
                await asyncio.sleep(self._settings.mail_seconds)

    async def send_due(self) -> int:
        """One batch; how many were sent."""
        if self._settings.smtp_host is None:
            return 0
        letters = await self._taken()
        if not letters:
            return 0
        try:
            async with connected(self._settings) as server:
                return sum([await self._send(server, letter) for letter in letters])
        except Later as error:
            log.warning("the mail server cannot be used", why=str(error))
            for letter in letters:
                await self._note(letter, error)
            return 0

    async def _taken(self) -> Sequence[Letter]:
        """The mails whose time has come, oldest first, in our hand from now on."""
        now = self._clock.now()
        time_has_come = come_after_tries(Mail.next_try_at, Mail.tries, LONGEST, now)
        due = select(Mail).where(Mail.state == "waiting", time_has_come)
        async with self._database.session() as session:
            rows = await session.scalars(
                due.order_by(Mail.created_at, Mail.id).limit(BATCH).with_for_update(skip_locked=True)
            )
            letters = []
            for row in rows:
                row.tries, row.next_try_at = row.tries + 1, now + IN_HAND
                letters.append(self._letter(row))
        return letters

    def _letter(self, row: Mail) -> Letter:
        recipient, subject, text = (self._vault.decrypt(each or b"") for each in (row.recipient, row.subject, row.text))
        return Letter(row.id, recipient, subject, text, row.created_at)

    async def _send(self, server: Server, letter: Letter) -> bool:
        try:
            await server.send(letter)
        except (Later, Refused) as error:
            await self._note(letter, error)
            return False
        await self._note(letter, None)
        return True

    async def _note(self, letter: Letter, error: Later | Refused | None) -> None:
        """Write down what became of a try."""
        now = self._clock.now()
        async with self._database.session() as session:
            row = await session.get_one(Mail, letter.id, with_for_update=True)
            row.error = None if error is None else str(error)[:200]
            if error is None:
                row.state, row.sent_at, row.text = "sent", now, None
            elif isinstance(error, Refused):
                row.state = "refused"
            else:
                row.next_try_at = now + timedelta(seconds=REST[min(row.tries, len(REST)) - 1])
            state = row.state
        MAILS.labels(state).inc()
        log.info("mail", message=letter.id, state=state, why=str(error) if error else None)
