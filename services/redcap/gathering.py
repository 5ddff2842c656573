"""From what is owed to the lines that say it, as the gateway's tables have it now."""

from dataclasses import dataclass
from datetime import tzinfo

from sqlalchemy.ext.asyncio import AsyncSession

from services.redcap import imaging, incoming
from services.redcap.lines import Line
from services.redcap.mapping import Mapping
from services.redcap.schema import Schema
from shared.crypto import Vault
from shared.store import Store
from shared.tables import RedcapOwed, Transfer


class NotYet(Exception):
    """What is to be said is not known yet."""


@dataclass(frozen=True)
class Gatherer:
    """What is looked up in, and how it is called."""

    store: Store
    vault: Vault
    zone: tzinfo
    mapping: Mapping

    async def lines(self, session: AsyncSession, schema: Schema, owed: RedcapOwed) -> list[Line]:
        """What pays one of them; nothing when there is nothing to say any more. Raises NotYet, Unfit."""
        names = self.mapping
        match owed.kind:
            case "study":
                line = await incoming.study_line(session, self.vault, self.zone, names.incoming, owed.subject)
            case "series":
                line = await incoming.series_line(session, names.incoming, owed.subject)
            case "participant":
                if await imaging.withdrawn(session, owed.project, owed.subject):
                    return []
                event = imaging.first_event(names.project, schema)
                site = await imaging.site_of(session, owed.project, owed.subject)
                line = imaging.participant_line(names.project, schema, owed.subject, event, site)
            case _:
                return await self._of_transfer(session, schema, owed)
        return [line] if line is not None else []

    async def _of_transfer(self, session: AsyncSession, schema: Schema, owed: RedcapOwed) -> list[Line]:
        transfer = await session.get(Transfer, owed.subject)
        if transfer is None:
            return []
        if owed.kind == "imaging":
            if await imaging.withdrawn(session, transfer.project, transfer.participant):
                return []
            return await imaging.imaging_lines(session, self.store, self.mapping.project, schema, transfer)
        if owed.final and transfer.state in incoming.UNDER_WAY:
            raise NotYet
        return [await incoming.transfer_line(session, self.store, self.zone, self.mapping.incoming, transfer)]
