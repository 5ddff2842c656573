"""What the api is called, and by whom it is asked over what."""

import pytest
from pydantic import ValidationError

from services.api.settings import ApiSettings


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("gateway.example.org", "https://HOST"),
        ("https://gateway.example.org/fiona", "https://HOST"),
        ("ftp://gateway.example.org", "https://HOST"),
        ("http://gateway.example.org", "passwords and names of patients"),
    ],
)
def test_addresses_that_are_refused(url: str, why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        ApiSettings(public_url=url)


def test_a_certificate_has_its_key() -> None:
    with pytest.raises(ValidationError, match="belong together"):
        ApiSettings(tls_certificate="certificate.pem")


def test_lists_are_written_with_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIONA_API_PROXIES", "10.0.0.1/32, fd00::/8")
    monkeypatch.setenv("FIONA_API_STOW_NETWORKS", "")
    monkeypatch.setenv("FIONA_API_NAMES", "api, gateway.local")
    settings = ApiSettings()
    assert (len(settings.proxies), settings.stow_networks) == (2, ())
    assert [settings.answers_to(name) for name in ("api", "gateway.local", "localhost", "::1", "other", "")] == [
        *[True] * 4,
        *[False] * 2,
    ]
