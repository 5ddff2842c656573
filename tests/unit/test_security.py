"""What docs/security.md says is so: its tests exist, and what can be seen in the code is looked at."""

import ast
import json
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.audit_dependencies import known, locked, main, verdict
from shared.spreadsheet import cell

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/security.md").read_text("utf-8")
SHIPPED = ("deidentification", "services", "shared", "cli")
BUILDS_XML = {"services/audit/dicom/message.py"}
UNPICKLES = {"deidentification/worker.py", "deidentification/processes.py"}
"""A parent and its children, by a pipe."""
ADVISORY = {
    "id": "PYSEC-0000-1",
    "summary": "made up",
    "affected": [
        {
            "package": {"ecosystem": "PyPI", "name": "Made_Up"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "1.0"}, {"fixed": "1.5"}]}],
            "versions": ["0.9"],
        }
    ],
}


def modules() -> Iterator[tuple[str, str]]:
    """Every module that ships: its path, its text."""
    for package in SHIPPED:
        for path in sorted((ROOT / package).rglob("*.py")):
            yield str(path.relative_to(ROOT)), path.read_text("utf-8")


def functions(path: str) -> set[str]:
    """The functions of a module of tests."""
    tree = ast.parse((ROOT / path).read_text("utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_every_test_that_the_page_names_exists() -> None:
    named = re.findall(r"`(tests/[a-z0-9_/]+\.py)::(test_[a-z0-9_]+)`", PAGE)
    assert len(named) > 50
    assert [f"{path}::{name}" for path, name in named if name not in functions(path)] == []


def test_every_measure_has_a_test() -> None:
    for line in PAGE.partition("## On the wire")[2].splitlines():
        if line.startswith("| ") and not line.startswith("| measure"):
            assert "::test_" in line.rsplit("|", 2)[1], line


def test_no_dangerous_reader_is_used() -> None:
    for path, text in modules():
        imported = set(re.findall(r"^\s*(?:import|from) ([\w.]+)", text, re.MULTILINE))
        if path not in BUILDS_XML:
            assert not any(name.split(".")[0] in ("xml", "lxml", "xmltodict") for name in imported), path
        else:
            assert not re.search(r"\b(parse|fromstring|iterparse|XMLParser)\(", text), path
        if path not in UNPICKLES:
            assert not imported & {"pickle", "marshal", "shelve", "dill"}, path
        assert not re.search(r"\b(?:eval|exec)\(", text.replace("inspect.get_annotations", "")), path
        assert "shell=True" not in text, path
        assert "extractall" not in text, path
        assert not re.search(r"yaml\.(?:load|full_load|unsafe_load)\((?!text, Loader=_Loader)", text), path


def test_every_csv_is_written_with_harmless_cells() -> None:
    writers = {path for path, text in modules() if "csv.writer(" in text or "DictWriter(" in text}
    assert writers
    for path in writers:
        assert "from shared.spreadsheet import MARK, cell" in dict(modules())[path], path
    assert [cell(each) for each in ("=1+1", "@a", "\tx", "a=b", -5, None)] == ["'=1+1", "'@a", "'\tx", "a=b", "-5", ""]


def test_the_rules_of_bandit_hold_and_exceptions_say_why() -> None:
    command = [sys.executable, "-m", "ruff", "check", "--isolated", "--line-length", "120", "--select", "S", "--quiet"]
    done = subprocess.run([*command, *SHIPPED], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    config = (ROOT / "pyproject.toml").read_text("utf-8")
    assert '"S", "T20"]' in config
    for path, text in modules():
        for said in re.findall(r"# noqa: S\d+(.*)", text):
            assert len(said) > 8, path


def test_what_could_not_be_asked_about_is_not_called_well(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lock = tmp_path / "requirements.lock"
    lock.write_text("made-up==1.0\nother==2.0\n")
    fine = subprocess.CompletedProcess([], 0, "", "No known vulnerabilities found\n")
    skipped = "Name Skip Reason\nmade-up Dependency not found on PyPI and could not be audited: made-up (1.0)\n"
    silent = subprocess.CompletedProcess([], 0, skipped, "No known vulnerabilities found\n")
    bad = subprocess.CompletedProcess([], 1, "other 2.0 PYSEC-0000-1\n", "Found 1 known vulnerability in 1 package\n")
    away = subprocess.CompletedProcess([], 1, "", "ERROR: connection refused\n")
    assert [verdict(lock, done) for done in (fine, silent, bad, away)] == [0, 2, 1, 2]
    said = capsys.readouterr()
    assert "1 of 2 not audited" in said.err
    assert said.err.count("No known vulnerabilities") == 1


@pytest.mark.parametrize(("version", "found"), [("0.9", 1), ("1.0", 1), ("1.4.9", 1), ("1.5", 0), ("0.8", 0)])
def test_advisories_are_matched(tmp_path: Path, version: str, found: int) -> None:
    (tmp_path / "a.json").write_text(json.dumps(ADVISORY))
    (tmp_path / "b.json").write_text(json.dumps({**ADVISORY, "id": "B", "withdrawn": "2020-01-01T00:00:00Z"}))
    lock = tmp_path / "a.lock"
    lock.write_text(f"made-up=={version} \\\n    --hash=sha256:00\nother[extra]==2 ; python_version > '3'\n")
    assert locked(lock) == {"made-up": version, "other": "2"}
    assert len(known(locked(lock), tmp_path)) == found
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.write(tmp_path / "a.json", "a.json")
    assert main([str(lock), "--advisories", str(tmp_path / "all.zip")]) == found


def test_the_locks_can_be_read() -> None:
    assert len(locked(ROOT / "requirements.lock")) > 50
