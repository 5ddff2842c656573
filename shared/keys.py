"""The key of hashes: kept in the database with what it has hashed, sealed with whatever the master key is."""

from cryptography.exceptions import InvalidTag
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from shared.crypto import Vault
from shared.database import Database, insert_new
from shared.tables import Project, VaultKey

HASHES = "identity hash"


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
