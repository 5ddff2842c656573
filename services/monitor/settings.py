"""What an operator may set about what is looked at, when something is wrong, and who is told."""

from datetime import time
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, model_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from shared.mail import ADDRESS
from shared.settings import FionaSettings


def _listed(value: Any) -> Any:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _addresses(names: tuple[str, ...]) -> tuple[str, ...]:
    if not all(ADDRESS.fullmatch(name) for name in names):
        raise ValueError("mail addresses, with commas")
    return names


Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_listed)]
Addresses = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_listed), AfterValidator(_addresses)]
Paths = Annotated[tuple[Path, ...], NoDecode, BeforeValidator(_listed)]


class MonitorSettings(FionaSettings):
    """FIONA_MONITOR_…; lists are written with commas."""

    model_config = SettingsConfigDict(env_prefix="FIONA_MONITOR_", frozen=True)

    name: str = Field(default="FIONA", max_length=60, description="of this gateway, in what people are told")
    every_seconds: float = Field(default=30, gt=0, description="how often all is looked at")
    echo_seconds: float = Field(default=10, gt=0, description="how long anything may take to answer")

    receiver_host: str | None = Field(default=None, description="by default where FIONA_RECEIVER_HOST says")
    receiver_port: int | None = Field(default=None, description="by default FIONA_RECEIVER_PORT")
    receiver_ae_title: str | None = Field(default=None, description="by default the first of its AE titles")
    receiver_ca: Path | None = Field(default=None, description="who signed its certificate (PEM), if it speaks TLS")
    certificate: Path | None = Field(default=None, description="ours (PEM), where it wants one")
    key: Path | None = Field(default=None, description="the key of ours, when it is in another file")

    heartbeat_seconds: float = Field(default=300, ge=0, description="between two heartbeats; 0: none are sent")
    heartbeat_late_seconds: float = Field(default=120, gt=0, description="how long one may take")

    queue_messages: int = Field(default=10_000, gt=0, description="more in one queue are a warning")
    stalled_seconds: float = Field(
        default=900,
        gt=0,
        description="a queue has failed that is not empty and of which nothing is handled for so long",
    )
    publish_seconds: float = Field(default=300, gt=0, description="how long what was received may wait for the bus")
    arrive_hours: float = Field(default=6, gt=0, description="how long a series may stay open")
    assign_days: float = Field(default=14, gt=0, description="how long a study may wait for somebody to assign it")
    transfer_hours: float = Field(default=24, gt=0, description="how long a transfer or a withdrawal may take")

    disks: Paths = Field(default=(), description="folders on other disks than the store's that are looked at, too")
    disk_warning: float = Field(default=0.8, gt=0, lt=1, description="how full a disk may be")
    disk_failing: float = Field(default=0.9, gt=0, lt=1)
    certificates: Names = Field(default=(), description="further certificates: HOST:PORT, or a PEM file")
    certificate_warning_days: float = Field(default=30, gt=0)
    certificate_failing_days: float = Field(default=7, gt=0)
    skew_warning_seconds: float = Field(default=3, gt=0, description="how far clocks may be apart")
    skew_failing_seconds: float = Field(default=30, gt=0)
    broker_url: str | None = Field(default=None, description="the broker's management page, for its clock")

    looks: int = Field(default=2, ge=1, description="looks in a row that make a state")
    flapping_changes: int = Field(default=6, ge=2, description="so many changes in half an hour are flapping")
    calm_seconds: float = Field(
        default=600, gt=0, description="what has flapped is well after so long without a change"
    )

    mail_to: Addresses = Field(default=(), description="who is told by mail")
    webhook_url: SecretStr | None = Field(default=None, description="what is told by POST of JSON")
    webhook_token: SecretStr | None = Field(default=None, description="sent there as a bearer token")
    webhook_ca: Path | None = Field(default=None, description="whom to trust beside the system's authorities (PEM)")
    quiet_from: time | None = Field(default=None, description="22:00: from then on nobody is told, in FIONA_TIMEZONE")
    quiet_until: time | None = Field(default=None, description="06:00: then what is still so is told")
    quiet_for: Literal["warnings", "all"] = Field(
        default="warnings", description="what waits in quiet hours: warnings only, or failures, too"
    )

    @model_validator(mode="after")
    def _both_or_neither(self) -> Self:
        if (self.quiet_from is None) != (self.quiet_until is None):
            raise ValueError("quiet_from and quiet_until belong together")
        if self.disk_warning > self.disk_failing:
            raise ValueError("disk_warning is below disk_failing")
        return self
