"""A project's key outlives the gateway, for who knows the passphrase."""

import json

import pytest

from shared.escrow import EscrowError, fingerprint, seal, unseal

KEY = bytes(range(32))
WORDS = "correct horse battery"


def test_sealed_and_opened() -> None:
    document = seal("PROJECT", KEY, WORDS)
    assert unseal(document, WORDS) == ("PROJECT", KEY)
    assert KEY.hex() not in document
    assert json.loads(document)["fingerprint"] == fingerprint(KEY)
    assert seal("PROJECT", KEY, WORDS) != document


def test_another_passphrase_or_project_opens_nothing() -> None:
    document = seal("PROJECT", KEY, WORDS)
    with pytest.raises(EscrowError, match="passphrase"):
        unseal(document, WORDS + "!")
    with pytest.raises(EscrowError, match="passphrase"):
        unseal(document.replace("PROJECT", "ANOTHER"), WORDS)


@pytest.mark.parametrize("document", ["", "[]", "{}", '{"format": "other"}', '{"format": "fiona project key 1"}'])
def test_what_is_no_sealed_key(document: str) -> None:
    with pytest.raises(EscrowError, match="not a sealed"):
        unseal(document, WORDS)


def test_a_short_passphrase_is_refused() -> None:
    with pytest.raises(EscrowError, match="at least 12"):
        seal("PROJECT", KEY, "short")
