"""A database for one request whose last transaction waits: its answer is to be committed with it, or neither.

Where a route begins and ends its transactions stays as its author meant it: one that is open is committed as soon as
the route opens another or reads; only the last one is held until the answer is known.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress

from sqlalchemy.ext.asyncio import AsyncSession

from shared.database import Database


class _Undone(Exception):
    pass


class HeldDatabase(Database):
    """The same engine and the same locks; `begun` is called at the head of every transaction for writing."""

    def __init__(self, database: Database, begun: Callable[[AsyncSession], Awaitable[None]]) -> None:
        self.__dict__.update(database.__dict__)
        self._begun = begun
        self._holds = True
        self._open_one: AsyncExitStack | None = None
        self.held: AsyncSession | None = None

    @asynccontextmanager
    async def session(self) -> AsyncIterator[AsyncSession]:
        await self.settle()
        async with AsyncExitStack() as stack:
            session = await stack.enter_async_context(super().session())
            await self._begun(session)
            yield session
            if self._holds:
                await session.flush()
                self._open_one, self.held = stack.pop_all(), session

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncSession]:
        await self.settle()
        async with super().reading() as session:
            yield session

    async def settle(self) -> None:
        """Commit what is held."""
        stack, self._open_one, self.held = self._open_one, None, None
        if stack is not None:
            await stack.aclose()

    async def release(self) -> None:
        """Commit what is held, and hold nothing from now on."""
        self._holds = False
        await self.settle()

    async def undo(self) -> None:
        """Roll back what is held."""
        stack, self._open_one, self.held = self._open_one, None, None
        if stack is not None:
            with suppress(_Undone):
                async with stack:
                    raise _Undone
