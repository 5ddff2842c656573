"""The live api keeps to its schema, whatever it is asked: a real server, real requests, all answers looked at.

Every operation, with what fits and with what does not; `python -m scripts.fuzz_api` asks for as long as one likes.
"""

import pytest

from scripts import fuzz_api


@pytest.mark.slow
def test_nothing_is_answered_that_is_not_documented() -> None:
    assert fuzz_api.main(["--examples", "1", "--phases", "fuzzing", "--seconds", "40"]) == 0
