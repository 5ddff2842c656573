"""What a client holds to be recognised: long, random, and kept here as a digest only."""

import hmac
import secrets
from hashlib import sha256
from typing import Final

SESSION: Final = "fiona_s_"
TOKEN: Final = "fiona_t_"  # noqa: S105  how one begins
SHOWN: Final = 14
"""Characters by which people tell their tokens apart; 256 bits follow the first eight of them."""


def new_secret(kind: str) -> str:
    """256 random bits, with a beginning that says what they are (and that a scanner of repositories may look for)."""
    return kind + secrets.token_urlsafe(32)


def digest(secret: str) -> str:
    """What is kept of it: there is too much chance in it for a slower hash to be worth its time."""
    return sha256(secret.encode()).hexdigest()


def csrf_token(secret: str) -> str:
    """What a page must say beside the cookie: it follows from the cookie, which no page can read."""
    return hmac.new(secret.encode(), b"fiona csrf", sha256).hexdigest()


def same(said: str | None, wanted: str) -> bool:
    """Compared in the same time however much of it is right."""
    return said is not None and hmac.compare_digest(said.encode(), wanted.encode())
