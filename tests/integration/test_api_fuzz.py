"""The live api keeps to its schema, whatever it is asked: a real server, real requests, all answers looked at."""

import pytest

from scripts import fuzz_api


@pytest.mark.slow
def test_nothing_is_answered_that_is_not_documented() -> None:
    assert fuzz_api.main(["--examples", "1", "--seconds", "60"]) == 0
