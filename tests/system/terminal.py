"""A gateway with a project that sends to a folder, and the commands of `fiona` against it."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from cli.demo.gateway import Gateway, Ports, running
from cli.main import run
from tests.components.process import free_port


@contextmanager
def gateway_with(project: str, data: Path, *options: str, **settings: str) -> Iterator[Gateway]:
    """While it is open, the environment is that of somebody who uses it; `options` are the project's."""
    ports = Ports(free_port(), free_port())
    told = settings | {
        "FIONA_DATA": str(data),
        "FIONA_API": f"http://127.0.0.1:{ports.http}",
        "FIONA_API_PORT": str(ports.http),
        "FIONA_RECEIVER_PORT": str(ports.dicom),
        "FIONA_INDEXER_QUIET_SECONDS": "1",
    }
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("FIONA_")}
    with pytest.MonkeyPatch.context() as patch, running(data, ports, inherited | told) as made:
        for variable, value in told.items():
            patch.setenv(variable, value)
        patch.setenv("FIONA_TOKEN", made.token)
        assert run(["destination", "add", "research", "folder"]) == 0
        assert run(["project", "add", project, "--destination", "research", *options]) == 0
        yield made


class Fiona:
    """Runs commands: the exit code, and what was printed."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self.out = self.err = ""

    def __call__(self, *arguments: object) -> int:
        self._capsys.readouterr()
        code = run([str(argument) for argument in arguments])
        self.out, self.err = self._capsys.readouterr()
        return code

    def json(self, *arguments: object) -> Any:
        """What it prints with --json."""
        assert self(*arguments, "--json") == 0, self.err
        return json.loads(self.out)
