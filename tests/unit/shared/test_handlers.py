"""The table of handlers: what it takes and what it refuses."""

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from shared.events import AssociationClosed, StudyArrived
from shared.handlers import Handlers
from shared.store import Store


def test_a_handler_that_asks_for_a_session_is_transactional() -> None:
    handlers = Handlers()

    @handlers.on(AssociationClosed)
    async def short(event: AssociationClosed, session: AsyncSession) -> None: ...

    @handlers.on(StudyArrived)
    async def long(event: StudyArrived, store: Store) -> None: ...

    table = {handler.event: handler for handler in handlers}
    assert table[AssociationClosed].transactional
    assert not table[StudyArrived].transactional
    assert table[StudyArrived].needs == {"store": Store}


def test_one_handler_per_event() -> None:
    handlers = Handlers()

    @handlers.on(AssociationClosed)
    async def first(event: AssociationClosed) -> None: ...

    with pytest.raises(ValueError, match="two handlers"):
        handlers.on(AssociationClosed)(first)
