"""Where settings come from, and in which order."""

import json
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError
from pydantic_settings import SettingsConfigDict

from shared.settings import FionaSettings, Settings


class PartSettings(FionaSettings):
    model_config = SettingsConfigDict(env_prefix="FIONA_RECEIVER_", frozen=True)
    port: int = 11112
    ae_titles: str = "FIONA"


def test_defaults_need_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    settings = Settings()
    assert settings.bus() == "embedded:"
    assert settings.database() == f"sqlite+aiosqlite:///{tmp_path}/data/fiona.sqlite"


def test_a_secret_may_be_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "url").write_text("postgresql+asyncpg://u:p@db/fiona\n")
    monkeypatch.setenv("FIONA_DATABASE_URL_FILE", str(tmp_path / "url"))
    settings = Settings()
    assert settings.database() == "postgresql+asyncpg://u:p@db/fiona"
    assert "u:p@" not in repr(settings)


def test_the_environment_wins_over_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "url").write_text("amqp://file/")
    monkeypatch.setenv("FIONA_BUS_URL_FILE", str(tmp_path / "url"))
    monkeypatch.setenv("FIONA_BUS_URL", "amqp://environment/")
    assert Settings().bus() == "amqp://environment/"


def test_the_originals_config_is_understood(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    content = {
        "DICOMIP": "10.0.0.5", "DICOMPORT": "4006", "DICOMAETITLE": "FIONA2", "DATADIR": str(tmp_path / "site"),
        "LOCALTIMEZONE": "Europe/Berlin", "SCANNERIP": "10.0.0.9", "PROJECTTOKEN": "",
    }  # fmt: skip
    (tmp_path / "config.json").write_text(json.dumps(content))
    monkeypatch.setenv("FIONA_CONFIG", str(tmp_path / "config.json"))
    monkeypatch.setenv("FIONA_TIMEZONE", "Europe/Oslo")
    settings, part = Settings(), PartSettings()
    assert (settings.data, settings.timezone) == (tmp_path / "site", "Europe/Oslo")
    assert (part.port, part.ae_titles) == (4006, "FIONA2")


def test_older_master_keys_are_lines_of_a_variable_or_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def told() -> list[str]:
        return [key.get_secret_value() for key in Settings().secret_key_old]

    assert told() == []
    monkeypatch.setenv("FIONA_SECRET_KEY_OLD", "[the one, before]")
    assert told() == ["[the one, before]"]
    monkeypatch.delenv("FIONA_SECRET_KEY_OLD")
    (tmp_path / "old").write_text("last but one\nthe first\n")
    monkeypatch.setenv("FIONA_SECRET_KEY_OLD_FILE", str(tmp_path / "old"))
    assert told() == ["last but one", "the first"]
    assert "the first" not in repr(Settings())


def test_with_an_authority_nothing_is_said_in_the_clear() -> None:
    ca = Path("/run/ca.crt")
    told = Settings(
        bus_url=SecretStr("amqps://fiona:pass%2Fword@broker/%2Fhere?heartbeat=20&cafile=/elsewhere"),
        bus_ca=ca,
        database_url=SecretStr("postgresql+asyncpg://fiona:pass%2Fword@database/fiona?ssl=disable"),
        database_ca=ca,
    )
    assert told.bus() == "amqps://fiona:pass%2Fword@broker/%2Fhere?heartbeat=20&cafile=%2Frun%2Fca.crt"
    trusted = "ssl=verify-full&sslrootcert=%2Frun%2Fca.crt"
    assert told.database() == f"postgresql+asyncpg://fiona:pass%2Fword@database/fiona?{trusted}"


def test_an_authority_says_nothing_of_what_stays_in_the_process() -> None:
    told = Settings(bus_ca=Path("/run/ca.crt"), database_ca=Path("/run/ca.crt"))
    assert told.bus() == "embedded:"
    assert told.database().startswith("sqlite")


@pytest.mark.parametrize(
    "given",
    [
        {"bus_ca": "/run/ca.crt", "bus_url": "amqp://:secret@b/"},
        {"database_ca": "/run/ca.crt", "database_url": "sqlite+aiosqlite:///secret"},
    ],
)
def test_an_authority_for_what_speaks_no_tls_stops_the_start(given: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match=r"must begin with (amqps|postgresql\+asyncpg)://") as refused:
        Settings.model_validate(given)
    assert "secret" not in str(refused.value)
