"""The gateway's keys: one master key, from which the key that encrypts fields is derived; the key that hashes
identities, which outlives it; a key of its own for each project, kept encrypted.

Older master keys still open what was sealed with them, until `fiona keys rotate` has sealed it anew.
"""

import hmac
import os
import secrets
from collections.abc import Sequence
from contextlib import suppress
from functools import cached_property
from hashlib import sha256
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from shared.database import DatabaseUnavailable
from shared.settings import Settings
from shared.store import sync_folder


class Vault:
    """Encrypts what names a person, and hashes it so that it can be found again without being read."""

    def __init__(self, master: bytes, older: Sequence[bytes] = ()) -> None:
        """`older`: the master keys before this one, the last one before it first."""
        self._masters = (master, *older)
        if min(map(len, self._masters)) < 16:
            raise ValueError("the master key is too short: at least 16 bytes")
        self._hash_key: bytes | None = _derived(self._masters[-1], b"identity hash")

    @cached_property
    def _ciphers(self) -> tuple[AESGCM, ...]:
        return tuple(AESGCM(_derived(master, b"field")) for master in self._masters)

    @property
    def hash_key(self) -> bytes:
        """The key of `hash`: derived from the first master key there was, kept by shared.keys ever after."""
        return self._hash_key or _derived(self._masters[-1], b"identity hash")

    def keep_hash_key(self, key: bytes | None) -> None:
        """Hash with this key from now on; None: not before it is known which."""
        self._hash_key = key

    def encrypt(self, value: str | bytes) -> bytes:
        """AES-256-GCM under a fresh nonce."""
        nonce = os.urandom(12)
        return nonce + self._ciphers[0].encrypt(nonce, value.encode() if isinstance(value, str) else value, None)

    def decrypt_bytes(self, sealed: bytes) -> bytes:
        """What `encrypt` was given, under this master key or an older one; InvalidTag when the key is another."""
        return self._opened(sealed)[0]

    def _opened(self, sealed: bytes) -> tuple[bytes, bool]:
        """The value, and whether it is sealed with the master key of today."""
        if len(sealed) < 12 + 16:
            raise InvalidTag
        for number, cipher in enumerate(self._ciphers):
            with suppress(InvalidTag):
                return cipher.decrypt(sealed[:12], sealed[12:], None), number == 0
        raise InvalidTag

    def renewed(self, sealed: bytes) -> bytes | None:
        """The same value sealed with the master key of today; None when it is so already."""
        value, current = self._opened(sealed)
        return None if current else self.encrypt(value)

    def decrypt(self, sealed: bytes) -> str:
        """What `encrypt` was given, as text."""
        return self.decrypt_bytes(sealed).decode()

    def hash(self, kind: str, *values: str) -> str:
        """A keyed hash (hex) by which the same identity is found again: `hash("patient", id, issuer)`."""
        if self._hash_key is None:
            raise DatabaseUnavailable("the key of hashes is not read yet")
        text = "\x1f".join((kind, *(value.strip() for value in values)))
        return hmac.new(self._hash_key, text.encode(), sha256).hexdigest()


def _derived(master: bytes, purpose: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=b"fiona " + purpose).derive(master)


def open_vault(settings: Settings) -> Vault:
    """The vault of this installation; without FIONA_SECRET_KEY a key file is made once in the store."""
    older = [key.get_secret_value().encode() for key in settings.secret_key_old]
    if settings.secret_key is not None:
        return Vault(settings.secret_key.get_secret_value().encode(), older)
    return Vault(_key_file(settings.data / "secret.key"), older)


def _key_file(path: Path) -> bytes:
    """Read the key file, or make it such that of many processes starting at once exactly one does."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(48))
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(draft, path)
        draft.unlink()
        sync_folder(path.parent)
    return path.read_bytes().strip()
