"""A provider of OpenID Connect that believes whatever subject one names at its form."""

import json
import sys
from pathlib import Path
from typing import Any, ClassVar

import httpx

from tests.components.process import LOOPBACK, accepts, free_port
from tests.components.server import Server

PLAIN: dict[str, Any] = {"trust_env": False, "timeout": 60}


class OidcProvider(Server):
    """oidc-provider-mock in a process of its own, with a confidential client for one address to come back to."""

    name: ClassVar[str] = "oidc"

    def __init__(self, folder: Path, users: list[dict[str, Any]]) -> None:
        super().__init__(folder)
        self.port = free_port()
        self._users = users

    @property
    def issuer(self) -> str:
        """What it is called in its tokens."""
        return f"http://{LOOPBACK}:{self.port}"

    def command(self) -> list[str]:
        users = [part for user in self._users for part in ("--user-claims", json.dumps(user))]
        options = ["--port", str(self.port), "--require-nonce", "true", "--require-registration", "true"]
        return [sys.executable, "-W", "ignore", "-m", "oidc_provider_mock", *options, *users]

    def ready(self) -> bool:
        return accepts(self.port)

    def register(self, callback: str) -> tuple[str, str]:
        """A client; its id and secret."""
        answer = httpx.post(f"{self.issuer}/oauth2/clients", json={"redirect_uris": [callback]}, **PLAIN)
        made = answer.raise_for_status().json()
        return made["client_id"], made["client_secret"]

    def claims(self, subject: str, **claims: Any) -> None:
        """What it says of somebody from now on."""
        answer = httpx.put(f"{self.issuer}/users/{subject}", json={"sub": subject, **claims}, **PLAIN)
        answer.raise_for_status()

    def revoke(self, subject: str) -> None:
        """What it has given out for somebody is good no more, as when the person is disabled."""
        httpx.post(f"{self.issuer}/users/{subject}/revoke-tokens", **PLAIN).raise_for_status()

    def sign_in(self, way: str, subject: str) -> str:
        """What a person does at its form; where it leads the browser back to."""
        answer = httpx.post(way, data={"sub": subject}, **PLAIN)
        assert answer.status_code == 302, answer.text
        return answer.headers["location"]
