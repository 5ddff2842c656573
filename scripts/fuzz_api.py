"""Ask the api everything that its schema allows, and much that it does not: python -m scripts.fuzz_api [OPTIONS]

A real server on a database of its own, with something in it, asked by somebody who may everything. Schemathesis makes
requests from the schema and holds each answer against it: no 5xx, no status, media type or body that is not documented,
nothing refused without a problem, nothing taken that does not fit. The same seed asks the same.

    python -m scripts.fuzz_api --examples 100 --phases examples,coverage,fuzzing,stateful
"""

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
from os import environ
from pathlib import Path
from typing import Any, Final

import httpx

from shared.crypto import Vault
from shared.database import Database
from shared.tables import QuarantinedInstance, Transfer, TransferPart
from tests.components.process import LOOPBACK, Process, free_port
from tests.people import BEARER, TOKEN, invite
from tests.unit.api.support import KEY, assignment, patient_rows, series_rows, study_rows

STUDY: Final = "1.2.3"
TRANSFER: Final = "0b8f7c3e-53b7-4a43-8f4e-3c1d6b1f4a11"
LEFT_OUT: Final = "/dicomweb/|/api/v1/stream$|/api/v1/session"
"""Bodies that are no JSON, an answer that does not end, and the door that closes on whoever knocks too often."""

UNCHECKED: Final = ("positive_data_acceptance",)
"""A request that fits its schema may still be refused for what only the data know."""


def rows(vault: Vault) -> list[Any]:
    """A study of a project, transferred as far as quarantine."""
    taken = assignment(STUDY, "ABCD-study")
    of_it = {"transfer": TRANSFER, "series_instance_uid": f"{STUDY}.1", "revision": 1}
    return [
        *patient_rows(vault, "P-1"),
        *study_rows(vault, STUDY, accession="ACC-1"),
        *series_rows(STUDY, f"{STUDY}.1"),
        taken,
        Transfer(
            id=TRANSFER,
            assignment=taken.id,
            study_instance_uid=STUDY,
            project="ABCD-study",
            participant="X1",
            event="Unknown",
            destinations=["here"],
            reason="person",
            state="quarantined",
            instances=2,
        ),
        TransferPart(
            **of_it, assignment=taken.id, destination="here", instances=2, anonymized=1, quarantined=1, delivered=1
        ),
        QuarantinedInstance(
            **of_it, sop_instance_uid=f"{STUDY}.1.1", project="ABCD-study", rule="text-in-pixels", reason="text"
        ),
    ]


async def fill(url: str, base: str) -> list[str]:
    """Rows as the services write them, and what people make over REST; the ids by which it is found again."""
    database = Database(url)
    await invite(database)
    async with httpx.AsyncClient(base_url=f"{base}/api/v1", headers=BEARER, trust_env=False, timeout=60) as client:
        for path, body in (
            ("/destinations", {"name": "here", "kind": "folder"}),
            ("/projects", {"name": "ABCD-study", "destinations": ["here"]}),
            ("/rules", {"project": "ABCD-study", "patient_id": "X.*"}),
        ):
            made = await client.post(path, json=body)
            made.raise_for_status()
    async with database.session() as session:
        for row in rows(Vault(KEY.encode())):
            session.add(row)
            await session.flush()
    await database.close()
    return [TRANSFER, made.json()["id"]]


def configuration(identities: list[str]) -> str:
    """Schemathesis's: half of the time, what is in a path is there."""
    known = {
        "path.uid": [STUDY, f"{STUDY}.1"],
        "path.sop": [f"{STUDY}.1.1"],
        "path.name": ["ABCD-study", "here", "basic"],
        "path.identity": identities,
    }
    lines = [f'[dictionaries."{name}"]\nvalues = {json.dumps(values)}' for name, values in known.items()]
    lines += ["[parameters]", *(f'"{name}" = {{ dictionary = "{name}", probability = 0.5 }}' for name in known)]
    return "\n".join(lines)


def ask(base: str, folder: Path, options: argparse.Namespace, identities: list[str]) -> int:
    """Schemathesis's exit code: 0 when nothing was found."""
    config = folder / "schemathesis.toml"
    config.write_text(configuration(identities))
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(config), "run", f"{base}/api/v1/openapi.json"),
        *("--seed", str(options.seed), "--generation-deterministic"),
        *("--max-examples", str(options.examples), "--phases", options.phases, "--no-color", "--continue-on-failure"),
        *("--header", f"Authorization: Bearer {TOKEN}", "--request-timeout", "60", "--warnings", "off"),
    ]
    if not options.strict:
        command += ["--exclude-checks", ",".join(UNCHECKED)]
    if options.leave_out:
        command += ["--exclude-path-regex", options.leave_out]
    if options.only:
        command += ["--include-path-regex", options.only]
    if options.seconds:
        command += ["--max-time", str(options.seconds)]
    return subprocess.run(command, cwd=folder, check=False).returncode


def main(arguments: list[str] | None = None) -> int:
    """Serve, fill, ask."""
    parser = argparse.ArgumentParser(description="Hold the api against its schema.")
    parser.add_argument("--examples", type=int, default=20, help="per operation and phase")
    parser.add_argument("--seconds", type=int, default=0, help="at most; 0: as long as it takes")
    parser.add_argument("--phases", default="coverage,fuzzing")
    parser.add_argument("--leave-out", default=LEFT_OUT, help="paths, by a regular expression; empty: none")
    parser.add_argument("--only", default="", help="paths, by a regular expression")
    parser.add_argument("--strict", action="store_true", help="what fits its schema has to be taken: for looking at")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--database", default="", help="an empty one; by default SQLite in a folder of its own")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as name:
        folder, port = Path(name), free_port()
        base = f"http://{LOOPBACK}:{port}"
        url = options.database or f"sqlite+aiosqlite:///{folder / 'fiona.sqlite'}"
        settings = {
            "FIONA_DATA": str(folder / "data"),
            "FIONA_DATABASE_URL": url,
            "FIONA_SECRET_KEY": KEY,
            "FIONA_API_PORT": str(port),
            "FIONA_API_PASSWORD_KIB": "8",
            "FIONA_API_PASSWORD_ROUNDS": "1",
        }
        server = Process([sys.executable, "-m", "services", "api"], folder / "api.log", {**environ, **settings})
        try:
            server.wait_ready(lambda: _ready(base), 120)
            return ask(base, folder, options, asyncio.run(fill(url, base))) or _complaints(folder / "api.log")
        finally:
            server.stop()


def _ready(base: str) -> bool:
    try:
        return httpx.get(f"{base}/readyz", trust_env=False).is_success
    except httpx.TransportError:
        return False


def _complaints(log: Path) -> int:
    """1 when the server says that something went wrong that no answer has shown."""
    said = [line for line in log.read_text("utf-8").splitlines() if "Traceback" in line or "request failed" in line]
    sys.stdout.write("".join(f"{line}\n" for line in said[:20]))
    return int(bool(said))


if __name__ == "__main__":
    sys.exit(main())
