"""What an operator may set about REDCap; without an address the service idles."""

import ipaddress
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import SettingsConfigDict

from shared.settings import FionaSettings


class RedcapSettings(FionaSettings):
    """FIONA_REDCAP_…: where REDCap is, by which tokens, how much and how often."""

    model_config = SettingsConfigDict(env_prefix="FIONA_REDCAP_", frozen=True)

    url: str | None = Field(default=None, description="the address of REDCap's API, ending in /api/; none: idle")
    ca_file: Path | None = Field(default=None, description="who has signed its certificate, if not a known authority")
    mapping: Path | None = Field(default=None, description="a YAML file: what is called otherwise there")
    incoming_token: SecretStr | None = Field(default=None, description="of the project that lists what has arrived")
    tokens: Path | None = Field(
        default=None, description="a folder with a file for each project that has a REDCap project: its token"
    )
    projects_token: SecretStr | None = Field(default=None, description="of DataTransferProjects: its projects are read")
    routing_token: SecretStr | None = Field(default=None, description="of the table of routing rules, to read it")
    coupling_token: SecretStr | None = Field(default=None, description="of the coupling list, to read it")
    api_url: str = Field(default="http://127.0.0.1:8080", description="the gateway's own api: what is read goes there")
    api_token: SecretStr | None = Field(default=None, description="its token there, for what is read")
    batch_rows: int = Field(default=200, ge=1, le=5000, description="the most of one import")
    batch_bytes: int = Field(default=2**20, ge=10_000, description="the same, of its JSON")
    calls_per_minute: float = Field(default=300, gt=0, description="the most of one process; REDCap bans beyond 600")
    timeout_seconds: float = Field(default=60, gt=0, description="without a sign of life from REDCap")
    poll_seconds: float = Field(default=5, gt=0, description="how often it is looked at what is owed")
    read_minutes: float = Field(default=15, gt=0, description="how often REDCap's tables are read")
    add_events: bool = Field(
        default=True, description="whether missing events, and instruments at them, are added where the token may"
    )
    night_hour: int = Field(default=3, ge=0, le=23, description="when gateway and REDCap are compared each night")
    night_repair: bool = Field(default=False, description="whether what a night finds missing there is written again")

    @field_validator("url", "api_url")
    @classmethod
    def _an_address(cls, url: str | None) -> str | None:
        if not url:
            return None
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.password:
            raise ValueError("an https:// address without a user in it")
        return url

    @model_validator(mode="after")
    def _tokens_are_not_for_everybody_on_the_way(self) -> Self:
        parts = urlsplit(self.url or "https://")
        if parts.scheme == "http" and not _loopback(parts.hostname or ""):
            raise ValueError("FIONA_REDCAP_URL must be https: a token and identities go there")
        return self

    @property
    def reads(self) -> bool:
        """Whether there is a table to be read."""
        return self.url is not None and any((self.projects_token, self.routing_token, self.coupling_token))

    @property
    def lease_seconds(self) -> float:
        """How long a REDCap project is in one process's hands before another may take it."""
        return 2 * self.timeout_seconds


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
