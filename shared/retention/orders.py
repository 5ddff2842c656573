"""Whether people have let the janitor remove anything: the last word holds, and the first word is no."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from shared.tables import JanitorOrder

WORDS = ("go", "stop")


async def last_word(session: AsyncSession) -> JanitorOrder | None:
    """The latest go or stop; None: nobody has said either."""
    query = select(JanitorOrder).where(JanitorOrder.kind.in_(WORDS))
    return await session.scalar(query.order_by(JanitorOrder.created_at.desc(), JanitorOrder.id.desc()).limit(1))


async def going(session: AsyncSession) -> bool:
    """Whether something may be removed now. Whoever removes asks in the transaction that decides."""
    word = await last_word(session)
    return word is not None and word.kind == "go"
