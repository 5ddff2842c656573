"""From what is owed to the lines that say it, as the gateway's tables have it now."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import tzinfo

from cryptography.exceptions import InvalidTag
from sqlalchemy.ext.asyncio import AsyncSession

from services.redcap.definition.lacking import Addition, Unfit
from services.redcap.definition.schema import Schema
from services.redcap.mapping import Mapping
from services.redcap.writing import imaging, incoming
from services.redcap.writing.batch import Debt
from services.redcap.writing.lines import Line
from shared.crypto import Vault
from shared.log import logger
from shared.store import Store
from shared.tables import Participant, RedcapOwed, Study, Transfer

log = logger("redcap")


class NotYet(Exception):
    """What is to be said is not known yet."""


@dataclass
class Gathered:
    """What was owed: what can be paid now, what later, what is none any more, and what waits for a person and why."""

    debts: list[Debt] = field(default_factory=list)
    later: list[RedcapOwed] = field(default_factory=list)
    gone: list[RedcapOwed] = field(default_factory=list)
    unfit: list[tuple[RedcapOwed, Unfit]] = field(default_factory=list)
    unreadable: list[tuple[RedcapOwed, str]] = field(default_factory=list)

    @property
    def additions(self) -> list[Addition]:
        """What would let more of it be paid."""
        return list(dict.fromkeys(addition for _, error in self.unfit for addition in error.additions))

    def waiting(self, why_not: str) -> list[tuple[RedcapOwed, str]]:
        """What waits for a person; what could have been added has not been for that reason."""
        lacking = [
            (owed, f"{error}; it is not added: {why_not}" if why_not and error.additions else str(error))
            for owed, error in self.unfit
        ]
        return [*self.unreadable, *lacking]


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
                person = await session.get(Participant, (owed.project, owed.subject))
                if person is None or person.withdrawn_at is not None:
                    return []
                event = imaging.first_event(names.project, schema)
                line = imaging.participant_line(names.project, schema, person.name, event, person.site)
            case _:
                return await self._of_transfer(session, schema, owed)
        return [line] if line is not None else []

    async def gathered(self, session: AsyncSession, schema: Schema, owed: Iterable[RedcapOwed]) -> Gathered:
        """All of them, each where it belongs."""
        found = Gathered()
        for each in owed:
            debt = Debt(each)
            try:
                for line in await self.lines(session, schema, each):
                    debt.add(line, schema, self.mapping)
            except NotYet:
                found.later.append(each)
            except Unfit as error:
                found.unfit.append((each, error))
            except (InvalidTag, OSError, ValueError) as error:
                log.exception("what is owed cannot be said", project=each.project, kind=each.kind)
                found.unreadable.append((each, f"it cannot be read here ({type(error).__name__})"))
            else:
                if debt.lines:
                    found.debts.append(debt)
                else:
                    found.gone.append(each)
        return found

    async def _of_transfer(self, session: AsyncSession, schema: Schema, owed: RedcapOwed) -> list[Line]:
        transfer = await session.get(Transfer, owed.subject)
        if transfer is None:
            return []
        if transfer.state in incoming.UNDER_WAY and (owed.final or owed.kind == "imaging"):
            raise NotYet
        gone = await imaging.withdrawn(session, transfer.project, transfer.participant)
        if owed.kind == "imaging":
            if gone or transfer.state not in imaging.SENT:
                return []
            return await imaging.imaging_lines(session, self.store, self.mapping.project, schema, transfer)
        gone = gone or await session.get(Study, transfer.study_instance_uid) is None
        if gone and not await incoming.told(session, transfer):
            return []
        return [await incoming.transfer_line(session, self.store, self.zone, self.mapping.incoming, transfer)]
