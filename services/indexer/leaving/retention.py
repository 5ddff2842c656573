"""What leaves the archive because its time is over: looked at again under the study's locks, then marked, then removed.

The mark comes first, in the transaction that has looked: who asks for a transfer after it is told that the files are
gone, who asked before it keeps them. The folder is then taken away by its name, and what turns out to have been sent
again meanwhile is put back. A repeat goes on where an earlier try stopped.
"""

import asyncio
from collections.abc import Mapping

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from services.indexer import files
from services.indexer.clock import Clock
from services.indexer.leaving import forgetting
from services.indexer.leaving import study as leaving
from services.indexer.leaving.taking_away import AWAY, Known, clear_away, stays, take_away
from shared.crypto import Vault
from shared.database import Database, lock
from shared.events import Event, IdentitiesRemoved, RetentionApplied, RetentionEnded
from shared.handlers import Retry
from shared.log import logger
from shared.retention import links, removals
from shared.retention.facts import facts_of_studies
from shared.retention.orders import going
from shared.retention.rows import answer
from shared.retention.whole import why_kept
from shared.store import Store, valid_uid
from shared.tables import Instance, Study

log = logger("indexer")
STOPPED = "the janitor was stopped"


async def archive(
    event: RetentionEnded, database: Database, store: Store, vault: Vault, clock: Clock
) -> RetentionApplied:
    """A study's files go, with all links to them; its rows stay and say so."""
    uid = event.subject
    async with files.study_lock(store, uid):
        async with database.reading() as session:
            why = await _why(session, event, clock)
            known = await _known(session, uid)
            fields = await leaving.named_by(session, vault, uid)
        if why is None:
            why = await asyncio.to_thread(stays, store, uid, known, event.before)
        if why is not None and not await _begun(database, store, uid):
            return answer(event, kept=why, study=uid)
        if why is None:
            async with database.session() as session:
                why = await _mark(session, event, clock)
            if why is not None:
                return answer(event, kept=why, study=uid)
        async with database.reading() as session:
            known = await _known(session, uid)
        try:
            gone = await asyncio.to_thread(take_away, store, uid, known, event.before)
            if gone.back:
                async with database.session() as session:
                    await _unmark(session, uid, gone.back)
            else:
                await asyncio.to_thread(leaving.remove_links, store, uid, fields)
                await asyncio.to_thread(removals.keep, store, removals.ARCHIVE, uid, clock.now())
            await asyncio.to_thread(clear_away, store, uid)
        except OSError as error:
            raise Retry(f"files cannot be removed: {type(error).__name__}") from None
    log.info("left the archive", study_instance_uid=uid, files=gone.files, bytes=gone.size, back=len(gone.back))
    return answer(event, removed={"files": gone.files, "bytes": gone.size}, study=uid)


async def _begun(database: Database, store: Store, uid: str) -> bool:
    """Whether an earlier try has said that the files are gone, and was killed before they were."""
    if await asyncio.to_thread((store / f"{AWAY}/scp_{uid}").is_dir):
        return True
    async with database.reading() as session:
        study = await session.get(Study, uid)
    left = await asyncio.to_thread((store / f"archive/scp_{uid}").is_dir)
    return left and study is not None and study.removed_at is not None


async def _why(session: AsyncSession, event: RetentionEnded, clock: Clock) -> str | None:
    """Why it stays, as the tables are now."""
    if not await going(session):
        return STOPPED
    [*found] = await facts_of_studies(session, [event.subject])
    return why_kept(found[0], event.limits, clock.now()) if found else "there is no such study"


async def _known(session: AsyncSession, uid: str) -> Mapping[str, Known]:
    """Path -> what the catalogue says of the file."""
    query = select(Instance.path, Instance.sop_instance_uid, Instance.size, Instance.removed_at)
    rows = await session.execute(query.where(Instance.study_instance_uid == uid))
    return {path: Known(sop, size, removed is not None) for path, sop, size, removed in rows}


async def _mark(session: AsyncSession, event: RetentionEnded, clock: Clock) -> str | None:
    """Say that the files are gone, unless there is a reason by now why they must not go."""
    uid = event.subject
    await lock(session, "router", uid)
    await lock(session, "indexer", uid)
    if (why := await _why(session, event, clock)) is not None:
        return why
    here = Instance.study_instance_uid == uid, Instance.removed_at.is_(None)
    moment = clock.now()
    await session.execute(update(Instance).where(*here).values(removed_at=moment, removed_by="archive"))
    await session.execute(update(Study).where(Study.study_instance_uid == uid).values(removed_at=moment))
    return None


async def _unmark(session: AsyncSession, uid: str, paths: list[str]) -> None:
    await lock(session, "indexer", uid)
    mine = Instance.study_instance_uid == uid, Instance.path.in_(paths)
    back = update(Instance).where(*mine).values(removed_at=None, removed_by=None).returning(Instance.path)
    if (await session.execute(back)).first() is not None:
        await session.execute(update(Study).where(Study.study_instance_uid == uid).values(removed_at=None))


async def missing(event: RetentionEnded, database: Database, store: Store, clock: Clock) -> RetentionApplied:
    """Rows whose files are not there say so from now on: a transfer of them fails at once and with that reason.

    What has left by a policy, and came back with the rows of a database of before, is known by the store.
    """
    uid = event.subject
    async with files.study_lock(store, uid):
        async with database.reading() as session:
            known = await _known(session, uid)
            seen_at = await session.scalar(select(Study.last_seen_at).where(Study.study_instance_uid == uid))
        gone = await asyncio.to_thread(
            lambda: [path for path, each in known.items() if not each.removed and not (store / path).is_file()]
        )
        left_at = (await asyncio.to_thread(removals.last, store, removals.ARCHIVE, [uid], seen_at)).get(uid)
        async with database.session() as session:
            await lock(session, "indexer", uid)
            study = await session.get(Study, uid)
            by_policy = left_at is not None and study is not None and study.last_seen_at < left_at
            at, by = (left_at, "archive") if by_policy else (clock.now(), "missing")
            mine = Instance.study_instance_uid == uid, Instance.removed_at.is_(None)
            for path in gone:
                await session.execute(
                    update(Instance).where(*mine, Instance.path == path).values(removed_at=at, removed_by=by)
                )
            left = await session.scalar(select(Instance.sop_instance_uid).where(*mine).limit(1))
            if gone and left is None:
                query = update(Study).where(Study.study_instance_uid == uid)
                await session.execute(query.values(removed_at=at))
    if by_policy:
        log.info("had left the archive", study_instance_uid=uid, files=len(gone))
    else:
        log.warning("files are missing", study_instance_uid=uid, files=len(gone))
    return answer(event, removed={"rows without a file": len(gone)}, study=uid)


async def identities(event: RetentionEnded, database: Database, store: Store, vault: Vault) -> list[Event]:
    """Who studies were of goes, too, some at a time, when their files have been gone for long enough."""
    async with database.session() as session:
        if not await going(session):
            return [answer(event, kept=STOPPED)]
        gone, people = await forgetting.forget_removed(session, store, vault, event.before)
    events: list[Event] = [answer(event, removed={"identities": len(gone)}, more=len(gone) == forgetting.AT_ONCE)]
    if gone:
        log.info("identities removed", studies=len(gone), people=people)
        events.append(IdentitiesRemoved(studies=tuple(gone), identities=people, reason="removed"))
    return events


async def sweep(event: RetentionEnded, database: Database, store: Store) -> RetentionApplied:
    """Links that lead nowhere, and empty folders, of one part of a tree."""
    async with database.reading() as session:
        if not await going(session):
            return answer(event, kept=STOPPED)
    before = event.before.timestamp()
    total: dict[str, int] = {}
    for folder in await asyncio.to_thread(lambda: list(links.folders(store, event.subject))):
        if event.subject.startswith("raw:") and valid_uid(folder.name):
            found = await asyncio.to_thread(links.clear, folder, before, remove=False)
            if not found:
                continue
            async with files.study_lock(store, folder.name):
                found = await asyncio.to_thread(links.clear, folder, before, remove=True)
        else:
            found = await asyncio.to_thread(links.clear, folder, before, remove=True)
        for what, number in found.items():
            total[what] = total.get(what, 0) + number
    if total:
        log.info("links removed", part=event.subject, **total)
    return answer(event, removed=total)
