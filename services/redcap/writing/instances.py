"""Which instance of a repeating instrument is whose: by our own table, by what REDCap has, or the next that is free."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from services.redcap.client import Away, Item
from services.redcap.definition.schema import Schema
from shared.database import insert_new
from shared.tables import RedcapInstance

Place = tuple[str, str, str]
"""Record, event (empty in a classic project) and instrument."""

Keys = Mapping[str, str]
"""What an instance is known by: field and value."""


class Numbers:
    """The instances of one place: ours by subject, REDCap's by number."""

    def __init__(self, ours: Mapping[str, int], there: Mapping[int, Keys]) -> None:
        self.ours = dict(ours)
        self.there = dict(there)

    def of(self, subject: str, keys: Keys) -> int:
        """The one that it has, there or here; else the next after all of both.

        One that we gave and somebody has given to something else meanwhile is theirs.
        """
        given = self.ours.get(subject)
        if given is None or not self._fits(self.there.get(given, keys), keys):
            given = self._same(keys) or max([0, *self.ours.values(), *self.there]) + 1
        self.ours[subject] = given
        return given

    def found(self, subject: str, keys: Keys) -> int | None:
        """The one that it has there; None: it has none."""
        given = self.ours.get(subject)
        if given is not None and given in self.there and self._fits(self.there[given], keys):
            return given
        return self._same(keys)

    def _same(self, keys: Keys) -> int | None:
        """An instance there that says the same and is nobody's."""
        taken = set(self.ours.values())
        same = [number for number, has in self.there.items() if self._fits(has, keys) and number not in taken]
        return min(same, default=None)

    @staticmethod
    def _fits(has: Keys, keys: Keys) -> bool:
        return all(has.get(name, "") == value for name, value in keys.items())


def found_there(rows: Sequence[Item], schema: Schema) -> dict[Place, dict[int, Keys]]:
    """The instances in an export."""
    there: dict[Place, dict[int, Keys]] = defaultdict(dict)
    for row in rows:
        if instrument := row.get("redcap_repeat_instrument"):
            place = str(row[schema.record]), str(row.get("redcap_event_name") or ""), str(instrument)
            there[place][int(row["redcap_repeat_instance"])] = {name: str(value) for name, value in row.items()}
    return there


async def ours(session: AsyncSession, project: str, records: Sequence[str]) -> dict[Place, dict[str, int]]:
    """What our table says of these records."""
    given: dict[Place, dict[str, int]] = defaultdict(dict)
    query = select(RedcapInstance).where(RedcapInstance.project == project, RedcapInstance.record.in_(records))
    for row in await session.scalars(query):
        given[row.record, row.event, row.instrument][row.subject] = row.instance
    return given


async def keep(session: AsyncSession, project: str, place: Place, given: Mapping[str, int]) -> None:
    """Write down what was given, before REDCap hears of it. Away when another process was quicker."""
    record, event, instrument = place
    of_place = {"project": project, "record": record, "event": event, "instrument": instrument}
    rows = [of_place | {"subject": subject, "instance": number} for subject, number in given.items()]
    here = [getattr(RedcapInstance, name) == value for name, value in of_place.items()]
    for subject, number in given.items():
        moved = [*here, RedcapInstance.subject == subject, RedcapInstance.instance != number]
        await session.execute(update(RedcapInstance).where(*moved).values(instance=number))
    await insert_new(session, RedcapInstance, rows)
    kept = {row.subject: row.instance for row in await session.scalars(select(RedcapInstance).where(*here))}
    if any(kept.get(subject) != number for subject, number in given.items()):
        raise Away("another process writes to the same record")
