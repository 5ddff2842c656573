"""A bench for the engine's tests."""

import os
from pathlib import Path

import pytest

from tests.unit.deidentification.builders import Bench


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A folder in which bytes are de-identified and read back."""
    return Bench(tmp_path)


@pytest.fixture(autouse=True)
def quick_disk(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hundreds of small files need not reach the platter; tests marked by the name `durable` do."""
    if "durable" not in request.node.name:
        monkeypatch.setattr(os, "fsync", lambda _: None)
