"""The gateway's keys: one master key, from which the key that encrypts fields and the key that hashes
identities are derived; a key of its own for each project, kept encrypted."""

import hmac
import os
import secrets
from contextlib import suppress
from functools import cached_property
from hashlib import sha256
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from shared.settings import Settings
from shared.store import sync_folder


class Vault:
    """Encrypts what names a person, and hashes it so that it can be found again without being read."""

    def __init__(self, master: bytes) -> None:
        if len(master) < 16:
            raise ValueError("the master key is too short: at least 16 bytes")
        self._master = master

    def _derive(self, purpose: bytes) -> bytes:
        return HKDF(algorithm=SHA256(), length=32, salt=None, info=b"fiona " + purpose).derive(self._master)

    @cached_property
    def _cipher(self) -> AESGCM:
        return AESGCM(self._derive(b"field"))

    @cached_property
    def _hash_key(self) -> bytes:
        return self._derive(b"identity hash")

    def encrypt(self, value: str | bytes) -> bytes:
        """AES-256-GCM under a fresh nonce."""
        nonce = os.urandom(12)
        return nonce + self._cipher.encrypt(nonce, value.encode() if isinstance(value, str) else value, None)

    def decrypt_bytes(self, sealed: bytes) -> bytes:
        """What `encrypt` was given; InvalidTag when the key is another."""
        return self._cipher.decrypt(sealed[:12], sealed[12:], None)

    def decrypt(self, sealed: bytes) -> str:
        """What `encrypt` was given, as text."""
        return self.decrypt_bytes(sealed).decode()

    def hash(self, kind: str, *values: str) -> str:
        """A keyed hash (hex) by which the same identity is found again: `hash("patient", id, issuer)`."""
        text = "\x1f".join((kind, *(value.strip() for value in values)))
        return hmac.new(self._hash_key, text.encode(), sha256).hexdigest()


def open_vault(settings: Settings) -> Vault:
    """The vault of this installation; without FIONA_SECRET_KEY a key file is made once in the store."""
    if settings.secret_key is not None:
        return Vault(settings.secret_key.get_secret_value().encode())
    return Vault(_key_file(settings.data / "secret.key"))


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
