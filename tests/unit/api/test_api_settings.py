"""Where the api refuses to listen."""

import pytest
from pydantic import ValidationError

from services.api.settings import ApiSettings


@pytest.mark.parametrize("host", ["127.0.0.1", "127.3.2.1", "::1", "localhost"])
def test_loopback_is_taken(host: str) -> None:
    assert ApiSettings(host=host).host == host


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "192.0.2.7", "gateway.example.org", "localhost.evil"])
def test_anything_else_is_refused_and_says_why(host: str) -> None:
    with pytest.raises(ValidationError, match="no authentication yet"):
        ApiSettings(host=host)


def test_a_trusted_network_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIONA_API_HOST", "0.0.0.0")
    monkeypatch.setenv("FIONA_API_TRUSTED_NETWORK", "true")
    assert ApiSettings().trusted_network
