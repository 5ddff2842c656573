"""A log line cannot carry a patient, whoever writes it."""

import io
import json
import logging
import subprocess
import sys
import warnings
from collections.abc import Iterator

import pytest

from shared import log

NAME = "Hansen^Kari"


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
