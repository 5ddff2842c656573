"""Keys that outlive the master key: kept in the database with what they were used on, sealed with it.

The key of hashes, and the key of the audit's chain.
"""

import secrets

from cryptography.exceptions import InvalidTag
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from shared.crypto import Vault
from shared.database import Database, insert_new
from shared.tables import Project, VaultKey

HASHES = "identity hash"
AUDIT = "audit chain"


class WrongKey(Exception):
    """The master key is not the one with which this database was begun, nor an older one is given that is."""


async def settle_hash_key(database: Database, vault: Vault) -> None:
    """Give the vault the key that this database's hashes were made with; the first process ever keeps it.

    Raises WrongKey: to go on would hash, and encrypt, what nobody finds again.
    """
    async with database.session() as session:
        try:
            if await session.get(VaultKey, HASHES) is None:
                await _try_on_something(session, vault)
                await insert_new(session, VaultKey, [{"purpose": HASHES, "sealed": vault.encrypt(vault.hash_key)}])
            kept = await session.get_one(VaultKey, HASHES)
            vault.keep_hash_key(vault.decrypt_bytes(kept.sealed))
        except InvalidTag:
            raise WrongKey("the database was begun with another master key: FIONA_SECRET_KEY is not it") from None


async def _try_on_something(session: AsyncSession, vault: Vault) -> None:
    """A database of a time that kept no key of hashes may hold what another master key has sealed."""
    if (sealed := await session.scalar(select(Project.encrypted_key).limit(1))) is not None:
        vault.decrypt_bytes(sealed)


async def audit_key(session: AsyncSession, vault: Vault) -> bytes | None:
    """The key of the audit's chain; None: no chain was ever begun."""
    kept = await session.get(VaultKey, AUDIT)
    return None if kept is None else vault.decrypt_bytes(kept.sealed)


async def begin_audit_key(session: AsyncSession, vault: Vault) -> bytes:
    """The same; made when there is none."""
    if (key := await audit_key(session, vault)) is not None:
        return key
    await insert_new(session, VaultKey, [{"purpose": AUDIT, "sealed": vault.encrypt(secrets.token_bytes(32))}])
    kept = await session.get_one(VaultKey, AUDIT)
    return vault.decrypt_bytes(kept.sealed)
