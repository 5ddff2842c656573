"""`fiona login --provider`: a terminal, a browser, a provider and a gateway, each a part of its own."""

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import yaml

from services.api.service import service as api_service
from tests.components.fixtures import disposable
from tests.components.oidc import OidcProvider
from tests.components.process import LOOPBACK, free_port
from tests.unit.api.serving import served

KARI = {"sub": "77", "preferred_username": "kari", "name": "Kari", "email": "kari@example.org", "groups": ["run"]}
BROWSER = """
import httpx, sys
with httpx.Client(follow_redirects=True, trust_env=False) as browser:
    form = browser.get(sys.argv[1])
    assert "text/html" in form.headers["content-type"], form
    page = browser.post(str(form.url), data={"sub": "77"})
    assert "You are signed in" in page.text, page
"""
"""As a person with one: it keeps cookies, follows where it is led, fills in one form, and ends when that is done."""


@pytest.fixture
async def gateway(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[httpx.AsyncClient]:
    """A served api that knows a provider; the environment is that of a terminal on the same machine."""
    port = free_port()
    with disposable(OidcProvider(tmp_path / "oidc", [KARI])) as provider:
        client_id, secret = provider.register(f"http://{LOOPBACK}:{port}/api/v1/session/oidc/feide/callback")
        (tmp_path / "secret").write_text(secret)
        known = {
            "name": "feide", "issuer": provider.issuer, "client_id": client_id,
            "client_secret_file": str(tmp_path / "secret"), "grants": [{"group": "run", "system": ["operator"]}],
        }  # fmt: skip
        (tmp_path / "sign-in.yaml").write_text(yaml.safe_dump({"oidc": [known]}))
        (tmp_path / "browser.py").write_text(BROWSER)
        monkeypatch.setenv("FIONA_API_SIGN_IN", str(tmp_path / "sign-in.yaml"))
        monkeypatch.setenv("BROWSER", f"{sys.executable} {tmp_path / 'browser.py'} %s")
        monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
        for name in ("FIONA_TOKEN", "FIONA_TOKEN_FILE"):
            monkeypatch.delenv(name, raising=False)
        url = f"sqlite+aiosqlite:///{tmp_path / 'fiona.sqlite'}"
        async with served(url, tmp_path / "store", monkeypatch, api_service, port=port) as client:
            monkeypatch.setenv("FIONA_API", str(client.base_url))
            yield client


async def fiona(*arguments: str) -> tuple[int, str, str]:
    """As it is typed: the exit code, and what was printed."""
    told = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "cli", *arguments), stdin=asyncio.subprocess.DEVNULL, stdout=told, stderr=told
    )
    out, err = await asyncio.wait_for(process.communicate(), 120)
    return process.returncode or 0, out.decode(), err.decode()


async def test_a_terminal_signs_in_at_a_provider_and_out_again(gateway: httpx.AsyncClient, tmp_path: Path) -> None:
    code, out, err = await fiona("login", "--provider", "feide")
    assert (code, "signed in as kari until" in out) == (0, True), err
    saved = tmp_path / "config" / "fiona" / "logins.json"
    assert saved.stat().st_mode & 0o077 == 0
    code, out, err = await fiona("whoami")
    assert (code, "operator" in out) == (0, True), err
    assert (await fiona("logout"))[0] == 0
    code, _, err = await fiona("whoami")
    assert code == 6, err
