"""What an operator may set about the api, and where it refuses to listen."""

import ipaddress
from typing import Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import SettingsConfigDict

from shared.settings import FionaSettings

UNPROTECTED = (
    "the api has no authentication yet, so it listens on loopback only; FIONA_API_TRUSTED_NETWORK=true lifts "
    "this for a network (a container's, for instance) in which whoever reaches the port may do everything"
)

TOKEN_LENGTH = 16


class ApiSettings(FionaSettings):
    """FIONA_API_…: where to listen, and how much to take in one request."""

    model_config = SettingsConfigDict(env_prefix="FIONA_API_", frozen=True)

    host: str = Field(default="127.0.0.1", description="the address to listen on: loopback, see trusted_network")
    port: int = Field(default=8080, ge=0, le=65535, description="0: any that is free")
    trusted_network: bool = Field(
        default=False,
        description="listen on any address: whoever reaches the port may do everything and see every identity",
    )
    reviewer_token: SecretStr | None = Field(
        default=None, description="who presents it may see what is hidden from everybody else; by default nobody may"
    )
    body_bytes: int = Field(default=16 * 2**20, gt=0, description="the most of a JSON request's body")
    drain_seconds: float = Field(default=10, ge=0, description="what requests in hand are given at the end")
    stow_requests: int = Field(default=8, gt=0, description="STOW-RS requests at once; more are told to wait")
    stow_request_bytes: int = Field(default=16 * 2**30, gt=0, description="the most of one STOW-RS request")
    stow_part_bytes: int = Field(default=4 * 2**30, gt=0, description="the most of one instance in it")
    stow_idle_seconds: float = Field(
        default=60, gt=0, description="a STOW-RS request that is silent for this long is given up"
    )

    @field_validator("reviewer_token")
    @classmethod
    def _hard_to_guess(cls, token: SecretStr | None) -> SecretStr | None:
        text = token.get_secret_value() if token is not None else None
        if text is not None and (len(text) < TOKEN_LENGTH or not text.isascii() or not text.isprintable()):
            raise ValueError(f"at least {TOKEN_LENGTH} characters, ASCII")
        return token

    @model_validator(mode="after")
    def _only_where_it_is_safe(self) -> Self:
        if not self.trusted_network and not is_loopback(self.host):
            raise ValueError(UNPROTECTED)
        return self


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
