"""A mail that will be sent: a row in the caller's transaction, so that it goes if and only if that commits."""

import re
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from shared.crypto import Vault
from shared.tables import Mail

ADDRESS: Final = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9.-]{1,189}")
"""What a mail address looks like when it needs no quotes; 254 characters at most."""


async def post(session: AsyncSession, vault: Vault, to: str, subject: str, text: str) -> None:
    """Owe somebody a mail. ValueError when that is no address, or the subject is no line; neither is quoted."""
    if not ADDRESS.fullmatch(to):
        raise ValueError("not a mail address")
    if not subject.isprintable():
        raise ValueError("a subject is one line")
    session.add(Mail(recipient=vault.encrypt(to), subject=vault.encrypt(subject), text=vault.encrypt(text)))
    await session.flush()
