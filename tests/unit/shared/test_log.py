"""A log line cannot carry a patient, whoever writes it."""

import ast
import io
import json
import logging
import re
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared import log
from shared.harmless import HARMLESS

NAME = "Hansen^Kari"
ROOT = Path(__file__).parents[3]
# Keys under which our lines have numbers, booleans, or (exc_info) what becomes a type and a place.
# fmt: off
NUMBERS = {
    "additions", "announced", "asked", "asked_for", "associations", "back", "bytes", "differences", "exc_info", "files",
    "indexed", "instances", "kept", "left", "left_out", "number", "owed", "people", "pseudonyms_stayed",
    "quarantined", "repair", "rows", "seconds", "sent_before", "sequence", "studies", "tls",
}
# fmt: on


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    before = logging.getLogger().handlers[:]
    log.configure("DEBUG", stream)
    yield stream
    logging.getLogger().handlers[:] = before
    logging.captureWarnings(False)


def last(lines: io.StringIO) -> dict[str, object]:
    content: dict[str, object] = json.loads(lines.getvalue().splitlines()[-1])
    return content


def test_identifiers_and_counts_are_kept(lines: io.StringIO) -> None:
    log.logger("receiver").info("stored", study_instance_uid="1.2.3", instances=4, whole=True)
    assert last(lines).items() >= {
        "event": "stored", "study_instance_uid": "1.2.3", "instances": 4, "whole": True,
        "level": "info", "logger": "fiona.receiver",
    }.items()  # fmt: skip


def test_a_text_under_any_other_key_is_dropped_and_said_so(lines: io.StringIO) -> None:
    log.logger("indexer").info("indexed", patient_name=NAME, dataset={"PatientID": "1"})
    assert last(lines)["dropped"] == ["dataset", "patient_name"]
    assert NAME not in lines.getvalue()


def test_what_our_own_lines_say_is_not_dropped() -> None:
    said = {(key, where) for where, keys in spoken() for key in keys}
    assert len(said) > 100
    assert not {(key, where) for key, where in said if key not in HARMLESS | NUMBERS}
    assert {key for key, _ in said} >= NUMBERS


def spoken() -> Iterator[tuple[str, list[str]]]:
    """Each call of a logger in the gateway's code: where, and under which keys it says something."""
    for top in ("services", "shared"):
        for path in sorted((ROOT / top).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.Call) and re.fullmatch(r"(log|logger\(.*\))\.\w+", ast.unparse(node.func)):
                    yield f"{path.relative_to(ROOT)}:{node.lineno}", [each.arg for each in node.keywords if each.arg]


def test_an_exception_is_its_type_and_place(lines: io.StringIO) -> None:
    try:
        raise ValueError(f"invalid value {NAME}")
    except ValueError:
        log.logger("indexer").exception("failed")
    assert NAME not in lines.getvalue()
    assert last(lines)["error"] == "ValueError"
    assert "test_log.py" in str(last(lines)["place"])


def test_other_peoples_loggers_say_only_that_they_spoke(lines: io.StringIO) -> None:
    logging.getLogger("pydicom.somewhere").error("Invalid value '%s'", NAME)
    logging.getLogger("sqlalchemy").warning(f"parameters: {NAME}")
    assert NAME not in lines.getvalue()
    assert "sqlalchemy at" in str(last(lines)["event"])


def test_warnings_quote_nobody(lines: io.StringIO) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn(f"odd value {NAME}", stacklevel=1)
    assert NAME not in lines.getvalue()


def test_bound_ids_are_on_every_line(lines: io.StringIO) -> None:
    import structlog

    with structlog.contextvars.bound_contextvars(message="m1", correlation="c1"):
        log.logger("router").warning("rejected", why="no such project")
    assert last(lines).items() >= {"message": "m1", "correlation": "c1", "why": "no such project"}.items()


def test_what_ends_a_thread_or_the_process_quotes_nothing() -> None:
    script = """
import threading
from shared import log
log.configure()
log.catch_all()
def work(): raise ValueError("Hansen^Kari")
thread = threading.Thread(target=work)
thread.start()
thread.join()
raise LookupError("Hansen^Kari")
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stderr == ""
    assert "Hansen" not in done.stdout
    assert [json.loads(line)["error"] for line in done.stdout.splitlines()] == ["ValueError", "LookupError"]
