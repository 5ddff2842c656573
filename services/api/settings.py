"""What an operator may set about the api."""

import ipaddress
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Any, Self
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, field_validator, model_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from shared.settings import FionaSettings

LOOPBACK = (IPv4Network("127.0.0.0/8"), IPv6Network("::1/128"))


def _listed(value: Any) -> Any:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_listed)]
Networks = Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode, BeforeValidator(_listed)]


class ApiSettings(FionaSettings):
    """FIONA_API_…: where to listen, who is let in how, and how much to take in one request."""

    model_config = SettingsConfigDict(env_prefix="FIONA_API_", frozen=True)

    host: str = Field(default="127.0.0.1", description="the address to listen on")
    port: int = Field(default=8080, ge=0, le=65535, description="0: any that is free")
    public_url: str | None = Field(
        default=None, description="how people reach it, https://fiona.example.org: answered to, and put into links"
    )
    names: Names = Field(default=(), description="further names (Host) that it answers to, with commas; `*`: any")
    tls_certificate: Path | None = Field(default=None, description="PEM; with it, TLS only")
    tls_key: Path | None = Field(default=None, description="PEM of the certificate's key")
    proxies: Networks = Field(
        default=(), description="networks of proxies whose X-Forwarded-For is believed, with commas"
    )
    stow_networks: Networks = Field(
        default=LOOPBACK, description="networks from which STOW-RS needs no token, with commas; empty: none"
    )
    session_seconds: float = Field(default=12 * 3600, gt=0, description="how long a sign-in lasts at most")
    session_idle_seconds: float = Field(default=3600, gt=0, description="and how long without a request")
    sign_in: Path | None = Field(default=None, description="YAML: who else vouches for people (LDAP, OIDC)")
    token_days: int = Field(default=366, gt=0, description="the most that a token may be good for")
    provider_seconds: float = Field(
        default=3600, gt=0, description="how long that of a provider holds for sessions; then it is asked, or they end"
    )
    provider_days: float = Field(
        default=7, gt=0, description="how long the word of a provider (OIDC) holds for tokens; then a sign-in there"
    )
    sign_in_failures: int = Field(default=10, gt=0, description="of one account in 15 minutes; then it waits")
    sign_in_failures_address: int = Field(default=100, gt=0, description="the same of one address")
    password_kib: int = Field(default=65536, ge=8, description="memory of argon2id")
    password_rounds: int = Field(default=3, ge=1, description="passes of argon2id")
    contract: Path | None = Field(
        default=None, description="what applicants agree to (Markdown); by default the text that is shipped"
    )
    body_bytes: int = Field(default=16 * 2**20, gt=0, description="the most of a JSON request's body")
    coupling_bytes: int = Field(default=64 * 2**20, gt=0, description="the most of an uploaded coupling list")
    coupling_lists: int = Field(default=2, gt=0, description="coupling lists worked on at once; more wait")
    coupling_days: float | None = Field(
        default=14,
        gt=0,
        le=36500,
        description="how long coupling entries are in force, unless an upload says otherwise",
    )
    coupling_grace_days: float = Field(
        default=30, ge=0, description="how long an expired coupling entry is kept before it is removed"
    )
    drain_seconds: float = Field(default=10, ge=0, description="what requests in hand are given at the end")
    streams: int = Field(default=200, gt=0, description="open streams of changes in this process")
    streams_per_person: int = Field(default=10, gt=0, description="of them, those of one person")
    stow_requests: int = Field(default=8, gt=0, description="STOW-RS requests at once; more are told to wait")
    stow_request_bytes: int = Field(default=16 * 2**30, gt=0, description="the most of one STOW-RS request")
    stow_part_bytes: int = Field(default=4 * 2**30, gt=0, description="the most of one instance in it")
    stow_idle_seconds: float = Field(
        default=60, gt=0, description="a STOW-RS request that is silent for this long is given up"
    )

    @field_validator("public_url")
    @classmethod
    def _an_address(cls, url: str | None) -> str | None:
        if url is None:
            return None
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.path.strip("/") or parts.query:
            raise ValueError("https://HOST or https://HOST:PORT")
        if parts.scheme == "http" and not is_loopback(parts.hostname):
            raise ValueError("https: passwords and names of patients go over it")
        return url.rstrip("/")

    @model_validator(mode="after")
    def _both_or_neither(self) -> Self:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key belong together")
        return self

    @property
    def speaks_tls(self) -> bool:
        """Whether browsers come over TLS, to us or to the proxy before us."""
        return self.tls_certificate is not None or (self.public_url or "").startswith("https:")

    def answers_to(self, name: str) -> bool:
        """Whether a request is meant for us by the name that it was sent to."""
        ours = {each.lower() for each in self.names} | {urlsplit(self.public_url or "").hostname or ""} - {""}
        return is_loopback(name) or "*" in ours or name in ours


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
