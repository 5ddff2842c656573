"""A batch: lines that fit their REDCap project, the instances they go to, and portions that one import takes."""

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from services.redcap.client import TOO_LARGE, Away, Redcap, Refused
from services.redcap.definition.schema import Schema
from services.redcap.mapping import Mapping
from services.redcap.writing.instances import Numbers, Place, found_there, keep, ours
from services.redcap.writing.lines import Line, item, written
from shared.database import Database
from shared.tables import RedcapOwed

Row = dict[str, str | int]
IDENTIFIED = (401, 403, 404)
"""What REDCap refuses whoever asks, whatever the rows."""

LOCKED = "located on a form that is locked"


@dataclass
class Debt:
    """One thing that is owed, the lines that pay it and their columns."""

    owed: RedcapOwed
    lines: list[tuple[Line, dict[str, str]]] = field(default_factory=list)

    def add(self, line: Line, schema: Schema, mapping: Mapping) -> None:
        """Raises Unfit."""
        self.lines.append((line, written(line, schema, mapping)))


@dataclass
class Numbered:
    """A debt as rows."""

    owed: RedcapOwed
    rows: list[Row]


async def numbered(
    database: Database, redcap: Redcap, schema: Schema, target: str, debts: Sequence[Debt]
) -> list[Numbered]:
    """Give every line of a repeating instrument its instance, and write it down before REDCap hears of it."""
    repeating = [(line, columns) for debt in debts for line, columns in debt.lines if line.instrument is not None]
    numbers: dict[Place, Numbers] = {}
    if repeating:
        records = sorted({line.record for line, _ in repeating})
        fields = {schema.record, *(name for line, _ in repeating for name in line.keys)}
        there = found_there(await redcap.records(sorted(fields), records), schema)
        async with database.reading() as session:
            here = await ours(session, target, records)
        numbers = {line.place: Numbers(here[line.place], there[line.place]) for line, _ in repeating}
    given: dict[Place, dict[str, int]] = defaultdict(dict)
    made = []
    for debt in debts:
        rows = []
        for line, columns in debt.lines:
            instance = None
            if line.instrument is not None:
                keys = {name: columns.get(name, "") for name in line.keys}
                instance = numbers[line.place].of(line.subject, keys)
                given[line.place][line.subject] = instance
            rows.append(item(line, schema, columns, instance))
        made.append(Numbered(debt.owed, rows))
    async with database.session() as session:
        for place, of_place in given.items():
            await keep(session, target, place, of_place)
    return made


def portions(debts: Sequence[Numbered], rows: int, size: int) -> Iterator[list[Numbered]]:
    """Debts that go together: no more rows and bytes of JSON than that, unless a single one has more."""
    portion: list[Numbered] = []
    length = count = 0
    for debt in debts:
        its_length = sum(len(json.dumps(row)) for row in debt.rows)
        if portion and (count + len(debt.rows) > rows or length + its_length > size):
            yield portion
            portion, length, count = [], 0, 0
        portion.append(debt)
        length, count = length + its_length, count + len(debt.rows)
    if portion:
        yield portion


def rows_of(debts: Sequence[Numbered]) -> list[Row]:
    """Their rows, each once: two studies of a participant name the participant twice."""
    rows: dict[tuple[str, ...], Row] = {}
    for row in (row for debt in debts for row in debt.rows):
        names = ("redcap_event_name", "redcap_repeat_instrument", "redcap_repeat_instance")
        first = next(iter(row))
        place = tuple(str(row.get(name, "")) for name in (first, *names))
        rows[place] = rows.get(place, {}) | row
    return list(rows.values())


async def imported(
    redcap: Redcap, debts: Sequence[Numbered], *, stubborn: bool = False
) -> tuple[list[Numbered], list[tuple[Numbered, str]]]:
    """Import them: who was taken, and who was not, and why. One bad row fails a whole import, so it is halved.

    `stubborn`: REDCap has failed at them more than once; if it answers otherwise, it is halved, too. Raises Away, and
    Refused when it is not about the rows.
    """
    try:
        await redcap.write(rows_of(debts))
        return list(debts), []
    except Refused as error:
        if error.status in IDENTIFIED:
            raise
        why = str(error) if error.status == TOO_LARGE else told(error.words, debts[0].rows)
    except Away as error:
        if not stubborn:
            raise
        await redcap.export("project")
        why = f"REDCap fails at it: {error}"
    if len(debts) == 1:
        return [], [(debts[0], why)]
    middle = len(debts) // 2
    first = await imported(redcap, debts[:middle], stubborn=stubborn)
    second = await imported(redcap, debts[middle:], stubborn=stubborn)
    return first[0] + second[0], first[1] + second[1]


def told(words: str, rows: Sequence[Row]) -> str:
    """What can be said of REDCap's refusal: which of the fields it names; its words quote values."""
    if LOCKED in words:
        return "its form is locked there"
    sent = {name for row in rows for name in row}
    fields = [name for name in dict.fromkeys(re.findall(r"[a-z][a-z0-9_]*", words)) if name in sent]
    return f"REDCap does not take it because of {', '.join(fields)}" if fields else "REDCap does not take it"
