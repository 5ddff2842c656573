"""What an operator may set for the receiver."""

from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field
from pydantic_settings import NoDecode, SettingsConfigDict

from shared.settings import FionaSettings


def _listed(value: Any) -> Any:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


Title = Annotated[str, Field(min_length=1, max_length=16)]
Titles = Annotated[tuple[Title, ...], NoDecode, BeforeValidator(_listed)]
Networks = Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode, BeforeValidator(_listed)]


class ReceiverSettings(FionaSettings):
    """FIONA_RECEIVER_…; lists are written with commas, times in seconds, sizes in bytes."""

    model_config = SettingsConfigDict(env_prefix="FIONA_RECEIVER_", frozen=True)

    host: str = Field(default="127.0.0.1", description="address to listen on")
    port: int = Field(default=11112, description="port to listen on; 0: any free one")
    ae_titles: Titles = Field(default=("FIONA",), description="our own AE titles")
    require_called_aet: bool = Field(
        default=False, description="reject associations that call for another AE title than ours"
    )
    calling_ae_titles: Titles = Field(default=(), description="the AE titles that may call; none: all")
    networks: Networks = Field(default=(), description="CIDR networks that may connect; none: all")
    tls_certificate: Path | None = Field(default=None, description="PEM; with it, TLS only")
    tls_key: Path | None = Field(default=None, description="PEM of the certificate's key")
    tls_ca: Path | None = Field(default=None, description="PEM of whoever signs senders: mutual TLS")
    max_associations: int = Field(default=200, ge=1, description="at once; more are rejected")
    max_associations_per_address: int = Field(
        default=150, ge=1, description="of them, those of one address, so that no sender keeps out all others"
    )
    max_pdu: int = Field(default=262_144, ge=4_096, le=16_777_216, description="that senders are told")
    acse_timeout: float = Field(default=30, gt=0, description="for TLS handshake and negotiation")
    network_timeout: float = Field(default=60, gt=0, description="without any progress by the sender")
    grace: float = Field(default=10, ge=0, description="to finish what is being sent, on shutdown")
    data_path: bool = Field(default=True, description="false: every PDU goes through pynetdicom")
