"""A project's key for a safe elsewhere: sealed with a passphrase, so that pseudonyms survive the loss of everything."""

import json
import os
from base64 import b64decode, b64encode
from hashlib import sha256

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

FORMAT = "fiona project key 1"
LEAST = 12
"""Characters of a passphrase."""


class EscrowError(Exception):
    """The document is none, or the passphrase is another; free of both."""


def fingerprint(key: bytes) -> str:
    """By which a sealed key is compared with the one in use, without opening it."""
    return sha256(b"fiona project key\0" + key).hexdigest()[:32]


def seal(project: str, key: bytes, passphrase: str) -> str:
    """A JSON document to be kept apart from the gateway; the passphrase apart from both."""
    if len(passphrase) < LEAST:
        raise EscrowError(f"a passphrase has at least {LEAST} characters")
    salt, nonce = os.urandom(16), os.urandom(12)
    sealed = AESGCM(_stretched(passphrase, salt)).encrypt(nonce, key, _bound(project))
    content = {"format": FORMAT, "project": project, "fingerprint": fingerprint(key)}
    parts = {"salt": salt, "nonce": nonce, "sealed": sealed}
    return json.dumps(content | {name: b64encode(part).decode() for name, part in parts.items()}, indent=2)


def unseal(document: str, passphrase: str) -> tuple[str, bytes]:
    """The project and its key."""
    try:
        content = json.loads(document)
        if content["format"] != FORMAT:
            raise EscrowError("not a sealed project key")
        salt, nonce, sealed = (b64decode(content[name], validate=True) for name in ("salt", "nonce", "sealed"))
        project = str(content["project"])
        return project, AESGCM(_stretched(passphrase, salt)).decrypt(nonce, sealed, _bound(project))
    except InvalidTag:
        raise EscrowError("the passphrase is another, or the document was changed") from None
    except (ValueError, KeyError, TypeError):
        raise EscrowError("not a sealed project key") from None


def _stretched(passphrase: str, salt: bytes) -> bytes:
    """scrypt as OWASP asks for it: 128 MiB, under a second."""
    return Scrypt(salt=salt, length=32, n=2**17, r=8, p=1).derive(passphrase.encode())


def _bound(project: str) -> bytes:
    return f"{FORMAT}\0{project}".encode()
