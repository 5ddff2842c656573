"""A bench for the engine's tests."""

from pathlib import Path

import pytest

from tests.unit.anonymizer.builders import Bench


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A folder in which bytes are de-identified and read back."""
    return Bench(tmp_path)
