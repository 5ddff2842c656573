"""What an operator may set about the audit: the collector that is told of every entry."""

import re
from pathlib import Path
from typing import Self

from pydantic import Field, field_validator, model_validator
from pydantic_settings import SettingsConfigDict

from shared.settings import FionaSettings

COLLECTOR = re.compile(r"(?P<host>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):(?P<port>[0-9]{1,5})")


class AuditSettings(FionaSettings):
    """FIONA_AUDIT_…: where audit messages go, and by which names."""

    model_config = SettingsConfigDict(env_prefix="FIONA_AUDIT_", frozen=True)

    collector: str | None = Field(
        default=None, description="host:port of a syslog collector over TLS; without one nobody is told"
    )
    collector_ca: Path | None = Field(
        default=None, description="authorities that may have signed its certificate; by default the system's"
    )
    collector_certificate: Path | None = Field(default=None, description="our own certificate, for mutual TLS")
    collector_key: Path | None = Field(default=None, description="its key; by default in the same file")
    source: str = Field(default="fiona", pattern=r"^[A-Za-z0-9._-]{1,64}$", description="AuditSourceID")
    site: str = Field(default="", max_length=64, description="AuditEnterpriseSiteID; empty: none is told")

    @field_validator("collector")
    @classmethod
    def _is_an_address(cls, value: str | None) -> str | None:
        found = COLLECTOR.fullmatch(value or "")
        if value is not None and (found is None or int(found["port"]) > 65535):
            raise ValueError("host:port")
        return value

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.collector_key is not None and self.collector_certificate is None:
            raise ValueError("FIONA_AUDIT_COLLECTOR_KEY means nothing without _COLLECTOR_CERTIFICATE")
        return self

    def address(self) -> tuple[str, int]:
        """Host and port of the collector."""
        match = COLLECTOR.fullmatch(self.collector or "")
        if match is None:
            raise ValueError("there is no collector")
        return match["host"].strip("[]"), int(match["port"])
