"""The demo says which port is taken, and leaves alone what is not its own."""

import socket
from pathlib import Path

import pytest

from cli.demo.gateway import GatewayFailed, Ports, running
from cli.demo.story import MARK, _anew


def test_a_taken_port_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        monkeypatch.setenv("FIONA_API_PORT", str(port))
        with pytest.raises(GatewayFailed, match=f"port {port} is taken.*FIONA_API_PORT"):
            Ports.from_environment().check()
        with (
            pytest.raises(GatewayFailed, match="is taken"),
            running(tmp_path / "data", Ports.from_environment(), {}),
        ):
            pass
    assert not (tmp_path / "data.log").exists()


def test_a_folder_of_somebody_else_is_not_removed(tmp_path: Path) -> None:
    (tmp_path / "precious").touch()
    with pytest.raises(GatewayFailed, match="not empty"):
        _anew(tmp_path)
    assert (tmp_path / "precious").exists()


def test_an_earlier_demo_is(tmp_path: Path) -> None:
    _anew(tmp_path / "demo")
    (tmp_path / "demo" / "archive").mkdir()
    _anew(tmp_path / "demo")
    assert [path.name for path in (tmp_path / "demo").iterdir()] == [MARK]
