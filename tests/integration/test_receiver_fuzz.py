"""Peers that do anything, by chance: `scripts/fuzz_listener.py` does the same for as long as one likes."""

import threading
from pathlib import Path

import pytest

from tests.components.hostile_peer import Chance, attack, sound
from tests.components.process import wait_until
from tests.components.receiver import LocalReceiver


@pytest.mark.parametrize("data_path", [True, False], ids=["data path", "pynetdicom"])
def test_whatever_a_peer_does_others_are_served(tmp_path: Path, data_path: bool) -> None:
    threads = threading.active_count()
    with LocalReceiver(tmp_path, data_path=data_path, network_timeout=1, acse_timeout=1) as receiver:
        for seed in range(30 if data_path else 10):
            try:
                attack(receiver, Chance(seed))
            except BaseException as error:
                raise AssertionError(f"seed {seed}") from error
        sound(receiver)
    wait_until(lambda: threading.active_count() <= threads + 1, 60, "the threads' ends")
