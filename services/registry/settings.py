"""What an operator may set about the registry's clock and its mails."""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import SettingsConfigDict

from shared.settings import FionaSettings


class RegistrySettings(FionaSettings):
    """FIONA_REGISTRY_…: the server that takes mails, and how long projects stay in the archive."""

    model_config = SettingsConfigDict(env_prefix="FIONA_REGISTRY_", frozen=True)

    smtp_host: str | None = Field(default=None, description="the server that takes mails; without one they wait")
    smtp_port: int = Field(default=587, gt=0, le=65535)
    smtp_tls: Literal["none", "starttls", "tls"] = Field(
        default="starttls", description="starttls: nothing is said before it; tls: from the first byte (port 465)"
    )
    smtp_ca: Path | None = Field(default=None, description="whom to trust beside the system's authorities (PEM)")
    smtp_user: str | None = Field(default=None)
    smtp_password: SecretStr | None = Field(default=None, description="better …_FILE")
    smtp_from: str = Field(default="fiona@localhost", description="the sender's address")
    smtp_seconds: float = Field(default=30, gt=0, description="how long the server may take for an answer")
    mail_seconds: float = Field(default=5, gt=0, description="how often mails that are owed are looked for")

    clock_seconds: float = Field(default=60, gt=0, description="how often dates are looked at")
    archive_days: int = Field(default=365, ge=0, description="from the archive to the final export")
    work_seconds: float = Field(default=5, gt=0, description="how often work on whole projects is looked for")

    @model_validator(mode="after")
    def _no_password_in_the_clear(self) -> Self:
        if self.smtp_password is not None and self.smtp_tls == "none":
            raise ValueError("a password is not sent without TLS")
        return self
