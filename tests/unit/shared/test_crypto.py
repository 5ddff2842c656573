"""Identities are sealed and found again; one key file for all processes."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidTag

from shared.crypto import Vault, open_vault
from shared.database import DatabaseUnavailable
from shared.settings import Settings


def test_sealed_and_opened() -> None:
    vault = Vault(b"k" * 16)
    assert vault.decrypt(vault.encrypt("Åse Ødegård")) == "Åse Ødegård"
    assert vault.encrypt("x") != vault.encrypt("x")


def test_another_key_opens_nothing() -> None:
    with pytest.raises(InvalidTag):
        Vault(b"other key 16 byte").decrypt(Vault(b"k" * 16).encrypt("x"))


def test_the_hash_is_keyed_separated_and_stable() -> None:
    vault = Vault(b"k" * 16)
    assert vault.hash("patient", "ab", "c") != vault.hash("patient", "a", "bc")
    assert vault.hash("patient", " 1 ") == vault.hash("patient", "1")
    assert vault.hash("patient", "1") != Vault(b"other key 16 byte").hash("patient", "1")
    assert vault.hash("patient", "1") == "50bb5f8243d928c3582f9c908e781b6542ce0d6e61fb5f9d1ee963577f77d479"


def test_a_weak_key_is_refused() -> None:
    with pytest.raises(ValueError, match="too short"):
        Vault(b"short")


def test_many_starting_at_once_make_one_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        vaults = list(pool.map(lambda _: open_vault(Settings(data=tmp_path / "data")), range(8)))
    assert {vault.hash("x", "y") for vault in vaults} == {vaults[0].hash("x", "y")}
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["secret.key"]
    assert (tmp_path / "data/secret.key").stat().st_mode & 0o777 == 0o600


def test_an_older_key_still_opens_what_it_sealed_and_seals_nothing() -> None:
    first, second = Vault(b"k" * 16), Vault(b"n" * 16, [b"x" * 16, b"k" * 16])
    assert second.decrypt(first.encrypt("Åse")) == "Åse"
    with pytest.raises(InvalidTag):
        first.decrypt(second.encrypt("Åse"))


def test_what_is_sealed_anew_needs_no_older_key() -> None:
    first, both, second = Vault(b"k" * 16), Vault(b"n" * 16, [b"k" * 16]), Vault(b"n" * 16)
    renewed = both.renewed(first.encrypt("Åse"))
    assert renewed is not None
    assert second.decrypt(renewed) == "Åse"
    assert both.renewed(renewed) is None


def test_the_hash_is_that_of_the_first_key() -> None:
    assert Vault(b"n" * 16, [b"k" * 16]).hash("patient", "1") == Vault(b"k" * 16).hash("patient", "1")


def test_nothing_is_hashed_before_it_is_known_with_which_key() -> None:
    vault = Vault(b"k" * 16)
    vault.keep_hash_key(None)
    with pytest.raises(DatabaseUnavailable):
        vault.hash("patient", "1")
    vault.keep_hash_key(vault.hash_key)
    assert vault.hash("patient", "1") == Vault(b"k" * 16).hash("patient", "1")


@pytest.mark.parametrize("sealed", [b"", b"short", bytes(27), bytes(40)])
def test_what_was_never_sealed_is_not_opened(sealed: bytes) -> None:
    with pytest.raises(InvalidTag):
        Vault(b"k" * 16, [b"o" * 16]).decrypt_bytes(sealed)
