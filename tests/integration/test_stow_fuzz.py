"""Clients of STOW-RS that do anything, by chance; `scripts.fuzz_api --stow 10000` for as long as one likes."""

from pathlib import Path

from scripts import fuzz_api


def test_whatever_a_client_does_nothing_is_half_stored(tmp_path: Path) -> None:
    with fuzz_api.serving(tmp_path) as served:
        fuzz_api.store_anything(served, seed=1, requests=60)
    assert served.complaints() == []
