"""What an operator may set: environment variables `FIONA_…`, a secret also as the file that `…_FILE` names,
and, below both, the original's config.json when `FIONA_CONFIG` names one."""

import json
import os
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Self
from urllib.parse import parse_qsl, urlencode, urlsplit

from pydantic import BeforeValidator, Field, HttpUrl, SecretStr, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

ORIGINAL_KEYS = {
    "DICOMIP": "FIONA_RECEIVER_HOST",
    "DICOMPORT": "FIONA_RECEIVER_PORT",
    "DICOMAETITLE": "FIONA_RECEIVER_AE_TITLES",
    "DATADIR": "FIONA_DATA",
    "LOCALTIMEZONE": "FIONA_TIMEZONE",
}
"""The keys of the original's config.json that mean something here, and the variable that each stands for."""


class FileSecrets(EnvSettingsSource):
    """`FIONA_X_FILE=/run/secrets/x` says what FIONA_X is without putting it into the environment."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        variable = f"{self.env_prefix}{field_name}_FILE".upper()
        path = os.environ.get(variable)
        value = Path(path).read_text("utf-8").rstrip("\r\n") if path else None
        return value, field_name, False


class OriginalConfig(PydanticBaseSettingsSource):
    """The values that the original's config.json gives, read as if they were variables of the environment."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        prefix = str(self.config.get("env_prefix", ""))
        return original_config().get(f"{prefix}{field_name}".upper()), field_name, False

    def __call__(self) -> dict[str, Any]:
        found = {name: self.get_field_value(field, name)[0] for name, field in self.settings_cls.model_fields.items()}
        return {name: value for name, value in found.items() if value is not None}


@cache
def _read_original(path: str) -> dict[str, Any]:
    content = json.loads(Path(path).read_text("utf-8"))
    return {ORIGINAL_KEYS[key]: value for key, value in content.items() if key in ORIGINAL_KEYS and value != ""}


def original_config() -> dict[str, Any]:
    """The original's config.json as {variable: value}; empty when FIONA_CONFIG names none."""
    path = os.environ.get("FIONA_CONFIG")
    return _read_original(path) if path else {}


class FionaSettings(BaseSettings):
    """The base of all settings: where values come from, and in which order."""

    model_config = SettingsConfigDict(env_prefix="FIONA_", frozen=True, hide_input_in_errors=True)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, FileSecrets(settings_cls), OriginalConfig(settings_cls)


def _with(url: str, **parameters: str) -> str:
    """A URL with these parameters, whatever it said of them itself."""
    parts = urlsplit(url)
    return parts._replace(query=urlencode(dict(parse_qsl(parts.query)) | parameters)).geturl()


def _lines(value: object) -> object:
    """One secret a line."""
    return tuple(line.strip() for line in value.splitlines() if line.strip()) if isinstance(value, str) else value


class Settings(FionaSettings):
    """What every service needs to know."""

    data: Path = Field(default=Path("data"), description="the store: archive/, raw/, …")
    database_url: SecretStr | None = Field(
        default=None,
        description="postgresql+asyncpg://… or sqlite+aiosqlite:///…; by default fiona.sqlite in the store",
    )
    database_ca: Path | None = Field(
        default=None, description="PEM of who signed PostgreSQL's certificate: nothing is said to any other server"
    )
    bus_url: SecretStr | None = Field(
        default=None, description="amqp://…; by default the embedded bus, in the database"
    )
    bus_ca: Path | None = Field(
        default=None, description="PEM of who signed the broker's certificate: nothing is said to any other broker"
    )
    bus_retry_seconds: list[float] = Field(
        default=[10, 60, 600, 3600],
        description="how long a failed message rests, try by try, before it is dead",
    )
    bus_settling_seconds: float = Field(
        default=3, ge=0, description="a broker to which the queues are new has so long to write them to its disk"
    )
    published_days: float = Field(
        default=14, gt=0, description="how long what was published is kept, in case the broker loses its data"
    )
    secret_key: SecretStr | None = Field(
        default=None,
        description="the master key that encrypts identities and project keys; by default secret.key in the store",
    )
    secret_key_old: Annotated[tuple[SecretStr, ...], NoDecode, BeforeValidator(_lines)] = Field(
        default=(),
        description="master keys of before, which still open what they sealed: the last one before today's first",
    )
    migrate: bool = Field(
        default=True,
        description="false: services wait until the schema is of their version; `fiona migrate` brings it there",
    )
    timezone: str = Field(default="Europe/Oslo", description="for times that people see")
    log_level: str = Field(default="INFO")
    drain_seconds: float = Field(default=25, gt=0, description="how long work in hand may take after SIGTERM")
    health_host: str = Field(default="127.0.0.1", description="where /livez, /readyz and /metrics are served")
    health_port: int = Field(default=0, description="0: no health port of its own (the api has its own)")

    otlp_endpoint: HttpUrl | None = Field(
        default=None, description="https://collector:4318, where traces go by OTLP over HTTP; none: no traces"
    )
    otlp_token: SecretStr | None = Field(default=None, description="a bearer token for it")
    otlp_ca: Path | None = Field(default=None, description="PEM of who signed it; by default the well-known ones")
    otlp_sample: float = Field(default=1.0, ge=0, le=1, description="which part of all traces is recorded")

    @model_validator(mode="after")
    def _who_has_an_authority_speaks_tls(self) -> Self:
        for name, scheme in (("bus", "amqps:"), ("database", "postgresql+asyncpg:")):
            url: SecretStr | None = getattr(self, f"{name}_url")
            if getattr(self, f"{name}_ca") and url and not url.get_secret_value().startswith(scheme):
                raise ValueError(f"with FIONA_{name.upper()}_CA, FIONA_{name.upper()}_URL must begin with {scheme}//")
        return self

    def database(self) -> str:
        """The database's URL: the default, and whom to trust, filled in."""
        if self.database_url is None:
            return f"sqlite+aiosqlite:///{(self.data / 'fiona.sqlite').absolute()}"
        url = self.database_url.get_secret_value()
        return _with(url, ssl="verify-full", sslrootcert=str(self.database_ca)) if self.database_ca else url

    def bus(self) -> str:
        """The bus's URL, and whom to trust; `embedded:` means rows in the database."""
        if self.bus_url is None:
            return "embedded:"
        url = self.bus_url.get_secret_value()
        return _with(url, cafile=str(self.bus_ca)) if self.bus_ca else url
