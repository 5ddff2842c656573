"""Passwords: argon2id by a library, hashed anew when its parameters have grown, and not those that everybody tries."""

import asyncio
import re
import unicodedata
from functools import cached_property
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

LEAST: Final = 12
MOST: Final = 200
"""Characters; argon2 would take more, at a price."""

AT_ONCE: Final = 4
"""Hashes that are computed at the same time: each takes its memory."""

# fmt: off
HOPELESS: Final = frozenset({
    "password", "passwort", "passord", "passphrase", "letmein", "welcome", "velkommen", "changeme", "changeit",
    "qwerty", "qwertyuiop", "asdfgh", "asdfghjkl", "zxcvbn", "zxcvbnm", "administrator", "admin", "root",
    "iloveyou", "sommer", "winter", "hospital", "sykehus", "haukeland", "fiona", "correcthorsebatterystaple",
    "abcdefgh", "abcdefghijkl", "trustno", "monkey", "dragon", "football", "baseball", "master", "secret",
})
# fmt: on
"""What is left of the passwords that are tried first, when digits, signs and repetitions are taken away."""


def refusal(password: str, *about: str) -> str | None:
    """Why nobody may have this password; None: one may. `about`: what anybody knows of the person."""
    if len(password) < LEAST:
        return f"at least {LEAST} characters"
    if len(password) > MOST:
        return f"at most {MOST} characters"
    plain = unicodedata.normalize("NFKC", password).casefold()
    if len(set(plain)) < 5:
        return "it repeats itself"
    letters = "".join(c for c in plain if c.isalpha())
    left = plain
    for word in (word for each in about for word in re.split(r"[\W_]+", each.casefold()) if len(word) > 2):
        left = left.replace(word, "")
    if left != plain and sum(map(str.isalnum, left)) < 6:
        return "it is one's own name"
    if not letters or _unit(letters) in HOPELESS:
        return "it is one of those that are tried first"
    return None


def _unit(text: str) -> str:
    """The word that a text repeats."""
    for length in range(1, len(text) // 2 + 1):
        if len(text) % length == 0 and text[:length] * (len(text) // length) == text:
            return text[:length]
    return text


class Passwords:
    """Hashes and verifies in threads, a few at once."""

    def __init__(self, kib: int, rounds: int) -> None:
        self._hasher = PasswordHasher(time_cost=rounds, memory_cost=kib, parallelism=1)
        self._turn = asyncio.Semaphore(AT_ONCE)

    @cached_property
    def _nobodys(self) -> str:
        """Verified in place of a password that is not there, so that it takes as long."""
        return self._hasher.hash("nobody has this password")

    async def hash(self, password: str) -> str:
        """What is kept of it."""
        async with self._turn:
            return await asyncio.to_thread(self._hasher.hash, _canonical(password))

    async def verify(self, kept: str | None, password: str) -> bool:
        """Whether it is the one; as slow when there is none as when it is wrong."""
        async with self._turn:
            return await asyncio.to_thread(self._verify, kept, password)

    def outdated(self, kept: str) -> bool:
        """Whether it was made with other parameters than today's."""
        return self._hasher.check_needs_rehash(kept)

    def _verify(self, kept: str | None, password: str) -> bool:
        try:
            self._hasher.verify(kept or self._nobodys, _canonical(password[: MOST + 1]))
        except (VerificationError, InvalidHashError):
            return False
        return kept is not None


def _canonical(password: str) -> str:
    """The same letters are the same password, whichever keyboard composed them."""
    return unicodedata.normalize("NFKC", password)
