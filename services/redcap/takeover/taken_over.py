"""Takes projects, rules and coupling entries over from REDCap by the gateway's own api; reports what it may not."""

import json
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from services.redcap.client import Item
from services.redcap.comparing import BOTH, GATEWAY, REDCAP, Difference
from services.redcap.mapping import Mapping as Names
from services.redcap.takeover.gateway import Gateway, NotTaken, segment
from services.redcap.takeover.taking import digests, merged
from services.redcap.takeover.wishes import Wish
from shared.crypto import Vault
from shared.database import Database
from shared.registry.coupling import in_force, portions
from shared.tables import CouplingEntry, RedcapTaken
from shared.tables.base import now

AT_ONCE = 500
"""Coupling entries of one request."""

Study = tuple[str, str]
"""A project and a study in it: its UID, or the keyed hash of its accession number."""


class Entry(NamedTuple):
    """A coupling entry that is in force here."""

    id: str
    participant: str
    event: str


class Takeover:
    """One reading of REDCap's tables; `found` is what could not be agreed on."""

    def __init__(self, database: Database, vault: Vault, gateway: Gateway, mapping: Names) -> None:
        self._database = database
        self._vault = vault
        self._gateway = gateway
        self._mapping = mapping
        self.found: list[Difference] = []

    async def projects(self, wishes: Sequence[Wish]) -> None:
        """Make what is not here, and follow REDCap where nobody here has decided otherwise."""
        here = {item["name"]: item for item in await self._gateway.items("/projects")}
        taken = await self._taken("project")
        there = self._each_once("project", wishes, lambda wish: wish.project)
        for wish in there.values():
            before = taken.get(wish.project)
            try:
                if wish.project in here:
                    path = f"/projects/{segment(wish.project)}"
                    fields = before.fields if before is not None else {}
                    await self._follow("project", wish, wish.project, here[wish.project], fields, path)
                elif before is not None:
                    self._differ("project", wish.project, REDCAP, "was taken over and is not here any more")
                else:
                    await self._new_project(wish)
            except NotTaken as error:
                self._differ("project", wish.project, REDCAP, f"not taken: {error}")
        for name in sorted(taken.keys() - there.keys()):
            self._differ("project", name, GATEWAY, "was taken over and is not there any more")

    async def rules(self, wishes: Sequence[Wish]) -> None:
        """The same for rules; one that is not active there and was never here stays away."""
        here = {item["id"]: item for item in await self._gateway.items("/rules")}
        taken = await self._taken("rule")
        known = {row.reference for row in taken.values()}
        for wish in wishes:
            before = taken.get(wish.record)
            try:
                if before is not None:
                    await self._known_rule(wish, before, here)
                elif wish.values["active"]:
                    same = [key for key, item in here.items() if key not in known and _same(wish, item)]
                    identity = same[0] if same else await self._new_rule(wish)
                    known.add(identity)
                    await self._note("rule", wish.record, identity, self._digests(wish.values))
            except NotTaken as error:
                self._differ("rule", wish.record, REDCAP, f"not taken: {error}")
        for record in sorted(taken.keys() - {wish.record for wish in wishes}):
            self._differ("rule", record, GATEWAY, "was taken over and is not there any more")

    async def entries(self, wishes: Sequence[Wish]) -> None:
        """Each entry once: one that has expired here, or that somebody has removed, does not come back."""
        taken = await self._taken("coupling")
        there = self._each_once("coupling", wishes, self._key)
        entries = await self._in_force(sorted({wish.project for wish in wishes}))
        fresh: dict[str, list[Wish]] = defaultdict(list)
        for key, wish in there.items():
            here, before = entries.get(self._study(wish)), taken.get(key)
            if here is not None:
                await self._known_entry(wish, here, before)
            elif before is None or not before.fields:
                fresh[wish.project].append(wish)
            elif before.fields != self._digests(_whose(wish)):
                self._differ("coupling", wish.record, REDCAP, "was changed there after it had ended here")
        for project, some in sorted(fresh.items()):
            for start in range(0, len(some), AT_ONCE):
                await self._add(project, some[start : start + AT_ONCE])
        references = {row.reference for key, row in taken.items() if key not in there}
        for identity in sorted(await self._still_in_force(references)):
            self._differ("coupling", identity, GATEWAY, "was taken over and is not there any more")

    def _each_once(self, kind: str, wishes: Sequence[Wish], key: Callable[[Wish], str]) -> dict[str, Wish]:
        """The last row of each project or study: it would go to and fro with one that says otherwise, which is told."""
        last = {key(wish): wish for wish in wishes}
        for wish in wishes:
            if wish.values != last[key(wish)].values:
                self._differ(kind, wish.record, REDCAP, "another row says otherwise of the same")
        return last

    async def _new_project(self, wish: Wish) -> None:
        values = {name: value for name, value in wish.values.items() if name != "active"}
        made = await self._gateway.make("/projects", {**self._mapping.new_projects, **values, "name": wish.project})
        # That a new one is active is nobody's decision: it follows REDCap, if not now, then with the next reading.
        taken = self._digests({name: made[name] if name == "active" else wish.values[name] for name in wish.values})
        await self._note("project", wish.project, wish.project, taken)
        await self._follow("project", wish, wish.project, made, taken, f"/projects/{segment(wish.project)}")

    async def _follow(self, kind: str, wish: Wish, subject: str, here: Item, fields: dict[str, str], path: str) -> None:
        """Change here what REDCap has changed and nobody here; say what is otherwise because somebody has."""
        wins = self._mapping.redcap_wins if kind == "project" else ()
        outcome = merged(wish.values, here, fields, self._digest, wins)
        if outcome.change:
            await self._gateway.change(path, outcome.change, here)
        agreed = {name: value for name, value in wish.values.items() if name not in outcome.differs}
        taken = {name: fields[name] for name in outcome.differs if name in fields} | self._digests(agreed)
        if taken != fields:
            await self._note(kind, subject, str(here.get("id") or here["name"]), taken)
        for name in outcome.differs:
            self._differ(kind, subject, BOTH, f"{name} was decided otherwise here")

    async def _known_rule(self, wish: Wish, before: RedcapTaken, here: dict[str, Item]) -> None:
        item = here.get(str(before.reference))
        if item is None:
            if wish.values["active"]:
                self._differ("rule", wish.record, REDCAP, "was taken over and is not here any more")
        elif item["project"] != wish.project:
            self._differ("rule", wish.record, BOTH, "project is another one here")
        else:
            await self._follow("rule", wish, wish.record, item, before.fields, f"/rules/{segment(item['id'])}")

    async def _new_rule(self, wish: Wish) -> str:
        values = {name: value for name, value in wish.values.items() if name != "active" and value is not None}
        made = await self._gateway.make("/rules", values | {"project": wish.project})
        return str(made["id"])

    async def _known_entry(self, wish: Wish, here: Entry, before: RedcapTaken | None) -> None:
        key, wanted = self._key(wish), self._digests(_whose(wish))
        has = self._digests({"participant": here.participant, "event": here.event})
        reference, taken = (before.reference, before.fields) if before is not None else (None, {})
        if has == wanted:
            if (reference, taken) != (here.id, wanted):
                await self._note("coupling", key, here.id, wanted)
        elif taken == has or (reference == here.id and not taken):
            # Nothing is taken of it from here on: refused or killed in between, the next reading adds it anew.
            await self._note("coupling", key, here.id, {})
            await self._gateway.remove(f"/projects/{segment(wish.project)}/coupling/{segment(here.id)}")
            await self._add(wish.project, [wish])
        else:
            self._differ("coupling", wish.record, BOTH, "the study was coupled otherwise here")

    async def _add(self, project: str, wishes: Sequence[Wish]) -> None:
        """All of them at once; when that is refused by halves, until the one at fault is alone."""
        body = {"entries": [wish.values for wish in wishes], "expires_days": self._mapping.coupling_days}
        try:
            made = await self._gateway.make(f"/projects/{segment(project)}/coupling", body)
        except NotTaken as error:
            if len(wishes) == 1:
                self._differ("coupling", wishes[0].record, REDCAP, f"not taken: {error}")
                return
            middle = len(wishes) // 2
            await self._add(project, wishes[:middle])
            await self._add(project, wishes[middle:])
            return
        async with self._database.session() as session:
            for wish, item in zip(wishes, made["items"], strict=True):
                await _put(session, "coupling", self._key(wish), item["id"], self._digests(_whose(wish)))

    async def _still_in_force(self, identities: Collection[str | None]) -> set[str]:
        """Those of these entries that are."""
        found: set[str] = set()
        async with self._database.reading() as session:
            for some in portions([each for each in identities if each is not None]):
                these = select(CouplingEntry.id).where(CouplingEntry.id.in_(some), in_force(now()))
                found.update(await session.scalars(these))
        return found

    async def _in_force(self, projects: Sequence[str]) -> dict[Study, Entry]:
        """The entries here, by project and study."""
        columns = CouplingEntry.project, CouplingEntry.accession_hash, CouplingEntry.study_instance_uid
        whose = CouplingEntry.id, CouplingEntry.participant, CouplingEntry.event
        query = select(*columns, *whose).where(CouplingEntry.project.in_(projects), in_force(now()))
        async with self._database.reading() as session:
            rows = (await session.execute(query)).all()
        return {(row[0], row[2] or row[1] or ""): Entry(row[3], row[4], row[5]) for row in rows}

    def _study(self, wish: Wish) -> Study:
        if (uid := wish.values.get("study_instance_uid")) is not None:
            return wish.project, uid
        return wish.project, self._vault.hash("accession", wish.values["accession_number"])

    def _key(self, wish: Wish) -> str:
        """An entry is known by its project and study; a keyed hash, for that may be an accession number."""
        study = wish.values.get("study_instance_uid") or wish.values.get("accession_number", "")
        return self._vault.hash("redcap coupling", wish.project, study)

    def _digest(self, value: Any) -> str:
        return self._vault.hash("redcap taken", json.dumps(value, sort_keys=True))

    def _digests(self, values: Mapping[str, Any]) -> dict[str, str]:
        return digests(values, self._digest)

    def _differ(self, kind: str, subject: str, side: str, what: str) -> None:
        self.found.append(Difference(kind, subject[:100], side, what[:300]))

    async def _taken(self, kind: str) -> dict[str, RedcapTaken]:
        async with self._database.reading() as session:
            rows = await session.scalars(select(RedcapTaken).where(RedcapTaken.kind == kind))
            return {row.key: row for row in rows}

    async def _note(self, kind: str, key: str, reference: str | None, fields: dict[str, str]) -> None:
        async with self._database.session() as session:
            await _put(session, kind, key, reference, fields)


async def _put(session: AsyncSession, kind: str, key: str, reference: str | None, fields: dict[str, str]) -> None:
    """Insert it, or replace what was noted before."""
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    fresh = {"reference": reference, "fields": fields, "taken_at": now()}
    row = insert(RedcapTaken).values(kind=kind, key=key, **fresh)
    await session.execute(row.on_conflict_do_update(index_elements=["kind", "key"], set_=fresh))


def _whose(wish: Wish) -> dict[str, str]:
    """What an entry says of its study."""
    return {"participant": wish.values["participant"], "event": wish.values["event"]}


def _same(wish: Wish, item: Item) -> bool:
    """Whether a rule here says what REDCap's says."""
    return item["project"] == wish.project and all(item.get(name) == value for name, value in wish.values.items())
