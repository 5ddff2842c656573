"""`make demo`, as a clean clone runs it, on free ports."""

import os
import re
import subprocess
import sys
from pathlib import Path

import psutil

from tests.components.process import free_port

ROOT = Path(__file__).resolve().parents[2]
COUNTS = re.compile(
    r"^offered (?P<offered>\d+), acknowledged (?P<acknowledged>\d+), refused (?P<refused>\d+), "
    r"indexed (?P<indexed>\d+), duplicates (?P<duplicates>\d+), conflicts (?P<conflicts>\d+), "
    r"quarantined (?P<quarantined>\d+), delivered (?P<delivered>\d+), in the folder (?P<folder>\d+)$",
    re.MULTILINE,
)


def environment() -> dict[str, str]:
    clean = {key: value for key, value in os.environ.items() if not key.startswith("FIONA_")}
    ports = {"FIONA_API_PORT": str(free_port()), "FIONA_RECEIVER_PORT": str(free_port())}
    # What an operator has set for a gateway of his own is none of the demo's business.
    other = {"FIONA_DATA": "/nonexistent", "FIONA_DATABASE_URL": "postgresql+asyncpg://nobody@127.0.0.1:9/none"}
    return clean | ports | other


def test_the_demo_accounts_for_every_instance(tmp_path: Path) -> None:
    data = tmp_path / "demo"
    done = subprocess.run(
        [sys.executable, "-m", "cli.demo", "--bundled-only", "--data", str(data)],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=800,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = COUNTS.search(done.stdout)
    assert found
    count = {name: int(number) for name, number in found.groupdict().items()}
    assert count["acknowledged"] > 100
    assert count["offered"] == count["acknowledged"] + count["refused"]
    assert count["acknowledged"] == count["indexed"] + count["duplicates"] + count["conflicts"]
    assert count["indexed"] == count["delivered"] + count["quarantined"]
    files = list((data / "outbox" / "research").rglob("*.dcm"))
    assert count["delivered"] == count["folder"] == len(files)
    assert "every count agrees" in done.stdout
    assert "\x1b" not in done.stdout
    before_and_after = re.search(r"PatientName +(\S.*?) {2,}(\S.*?) *$", done.stdout, re.MULTILINE)
    assert before_and_after
    assert "^" in before_and_after[1]
    assert before_and_after[2].startswith("DEMO")
    running = [p for p in psutil.process_iter(["cmdline"]) if str(data) in " ".join(p.info["cmdline"] or ())]
    assert not running
