"""Identities are sealed and found again; one key file for all processes."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidTag

from shared.crypto import Vault, open_vault
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
