"""Where receiver and api are, by their own settings as far as this process is given them, unless ours say otherwise."""

from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import BeforeValidator
from pydantic_settings import NoDecode, SettingsConfigDict

from services.monitor.settings import MonitorSettings
from shared.destinations import DicomDestination, Tls
from shared.heartbeat import CALLING_AET
from shared.settings import FionaSettings

ANYWHERE: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  these are what a receiver listens on


def _listed(value: Any) -> Any:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


class Receiver(FionaSettings):
    """What of FIONA_RECEIVER_… says how it is reached."""

    model_config = SettingsConfigDict(env_prefix="FIONA_RECEIVER_", frozen=True)
    host: str = "127.0.0.1"
    port: int = 11112
    ae_titles: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_listed)] = ("FIONA",)
    tls_certificate: Path | None = None


class Api(FionaSettings):
    """What of FIONA_API_… says how it is trusted."""

    model_config = SettingsConfigDict(env_prefix="FIONA_API_", frozen=True)
    tls_certificate: Path | None = None


def receiver(settings: MonitorSettings) -> DicomDestination:
    """The receiver, as a peer that is sent to."""
    its = Receiver()
    host = settings.receiver_host or its.host
    speaks_tls = its.tls_certificate is not None or settings.receiver_ca is not None
    tls = Tls(
        ca_file=settings.receiver_ca or its.tls_certificate,
        cert_file=settings.certificate,
        key_file=settings.key,
        check_hostname=False,
    )
    return DicomDestination(
        host=ANYWHERE.get(host, host),
        port=settings.receiver_port or its.port,
        called_aet=settings.receiver_ae_title or its.ae_titles[0],
        calling_aet=CALLING_AET,
        tls=tls if speaks_tls else None,
        timeout=settings.echo_seconds,
    )
