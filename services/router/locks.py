"""In which order the router locks, said once: who keeps to it never waits for somebody who waits for them.

1. Studies: all that a transaction will need, together and by UID (`hold`). What is derived is one of them like its
   original. Which they are may be read before; what may have changed until they are held is read again.
2. Of each project, by its name: the participants that it makes up, then the one that is meant
   (`shared.registry.made_up`, `services.router.taking`).
3. Rows: parts of withdrawals by their key; withdrawals by id; transfers by id.

The indexer takes a study's lock here before its own of the same study, and no second one.
"""

from sqlalchemy.ext.asyncio import AsyncSession

from shared.database import lock


async def hold(session: AsyncSession, *studies: str) -> None:
    """Be the only one who decides about these studies, until the transaction ends. Once in a transaction."""
    for study in sorted(set(studies)):
        await lock(session, "router", study)
