"""Passwords that may be had, and how they are kept."""

import pytest

from services.api.people.passwords import Passwords, refusal


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("elevensigns", "at least 12"),
        ("x" * 201, "at most 200"),
        ("aaaaaaaaaaaab", "repeats itself"),
        ("abababababab", "repeats itself"),
        ("123456789012", "tried first"),
        ("Password2026!", "tried first"),
        ("PasswordPassword", "tried first"),
        ("!!qwertyuiop12", "tried first"),
        ("k.olsen-2026", "own name"),
        ("KariOlsen2026", "own name"),
    ],
)
def test_passwords_that_nobody_may_have(password: str, why: str) -> None:
    assert why in str(refusal(password, "k.olsen", "Kari Olsen"))


@pytest.mark.parametrize("password", ["a horse that flies home", "Blåbærsyltetøy på brød", "x7!kQ9#mW2$z"])
def test_passwords_that_one_may_have(password: str) -> None:
    assert refusal(password, "k.olsen", "Kari Olsen") is None


async def test_they_are_kept_as_argon2_and_hashed_anew_when_parameters_grow() -> None:
    small, large = Passwords(8, 1), Passwords(16, 2)
    kept = await small.hash("blåbær \u00e5 la carte")
    assert kept.startswith("$argon2id$")
    assert await large.verify(kept, "bla\u030abær a\u030a la carte"), "the same letters, composed otherwise"
    assert not await large.verify(kept, "blåbær")
    assert not await large.verify(None, "nobody has this password")
    assert not await large.verify("no hash", "x")
    assert (small.outdated(kept), large.outdated(kept)) == (False, True)
