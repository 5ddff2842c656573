"""A bench for the engine's tests."""

import os
from pathlib import Path

import pytest

from tests.unit.deidentification.builders import Bench

SLOW = (
    *("bad_input", "canary_files", "deidentify_folder", "deidentify_processes", "determinism", "fuzz_engine"),
    *("hostile_options", "profile_engine", "profile_rows", "profile_words", "study_scores"),
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Modules whose tests take seconds together."""
    for item in items:
        if item.path.stem.removeprefix("test_") in SLOW:
            item.add_marker(pytest.mark.slow)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A folder in which bytes are de-identified and read back."""
    return Bench(tmp_path)


@pytest.fixture(autouse=True)
def quick_disk(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hundreds of small files need not reach the platter; tests marked by the name `durable` do."""
    if "durable" not in request.node.name:
        monkeypatch.setattr(os, "fsync", lambda _: None)
