"""A terminal signs in through a browser (RFC 8252): the browser comes back to a port of the machine that it is on.

What it brings there is a code, sealed and short-lived, that is of use to whoever has the verifier (PKCE) alone.
"""

import json
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import asdict, dataclass
from time import time
from typing import Annotated, Final
from urllib.parse import urlencode

from cryptography.exceptions import InvalidTag
from fastapi import Query

from services.api.people.oidc import OidcRefused, challenge
from services.api.problems import FieldError, invalid
from shared.crypto import Vault

SECONDS: Final = 60
"""How long a terminal may take to fetch its session."""

Port = Annotated[int | None, Query(ge=1024, le=65535, description="of a terminal that waits on 127.0.0.1")]
Challenge = Annotated[str | None, Query(pattern=r"^[A-Za-z0-9_-]{43}$", description="of its verifier (RFC 7636, S256)")]


@dataclass(frozen=True)
class Waiting:
    """A terminal: where it listens, and what its verifier has to fit."""

    port: int
    challenge: str

    @classmethod
    def said(cls, port: int | None, fits: str | None) -> "Waiting | None":
        """None: it is a browser alone. A problem when only one of them is said."""
        if (port is None) != (fits is None):
            missing = "port" if port is None else "challenge"
            raise invalid(FieldError(loc=["query", missing], msg="port and challenge belong together", type="missing"))
        return cls(port, fits) if port is not None and fits is not None else None

    def way(self, vault: Vault, secret: str) -> str:
        """Where the browser goes, with the session sealed for this terminal."""
        code = vault.encrypt(json.dumps(asdict(_Sealed(secret, self.challenge, time() + SECONDS))))
        return f"http://127.0.0.1:{self.port}/?{urlencode({'code': urlsafe_b64encode(code).decode()})}"


@dataclass(frozen=True)
class _Sealed:
    secret: str
    challenge: str
    until: float


def opened(vault: Vault, code: str, verifier: str) -> str:
    """The session's secret; OidcRefused when the code is none of ours, too old, or another terminal's."""
    try:
        sealed = _Sealed(**json.loads(vault.decrypt(urlsafe_b64decode(code))))
    except (InvalidTag, ValueError, TypeError):
        raise OidcRefused("no code of ours") from None
    if sealed.until < time() or not secrets.compare_digest(sealed.challenge, challenge(verifier)):
        raise OidcRefused("the code is too old, or another terminal's")
    return sealed.secret
