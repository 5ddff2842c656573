"""Ask the api everything that its schema allows, and much that it does not: python -m scripts.fuzz_api [OPTIONS]

A real server on a database of its own, with something in it, asked by somebody who may everything. Schemathesis makes
requests from the schema and holds each answer against it: no 5xx, no status, media type or body that is not documented,
nothing refused without a problem, nothing taken that does not fit, nothing refused that does, unless `ONLY_DATA_KNOW`
says why. Bodies of STOW-RS are made by a client of our own. The same seed asks the same.

    python -m scripts.fuzz_api --examples 100 --phases examples,coverage,fuzzing,stateful
    python -m scripts.fuzz_api --examples 0 --stow 10000
"""

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from os import environ
from pathlib import Path
from typing import Any, Final

import httpx

from shared.crypto import Vault
from shared.database import Database
from shared.tables import QuarantinedInstance, Transfer, TransferPart
from tests.components.hostile_peer import Chance
from tests.components.hostile_stow import attack, sound
from tests.components.process import LOOPBACK, Process, free_port, wait_until
from tests.people import BEARER, TOKEN, invite
from tests.unit.api.support import KEY, assignment, patient_rows, series_rows, study_rows

STUDY: Final = "1.2.3"
TRANSFER: Final = "0b8f7c3e-53b7-4a43-8f4e-3c1d6b1f4a11"
LEFT_OUT: Final = "/dicomweb/"
"""Bodies that schemathesis cannot make: `store_anything` does."""

MEANT_BY_DATA: Final[Mapping[str, str]] = {
    "410": "a link that was mailed is made up here",
    "412": "If-Match names a version that is not there",
    "428": "If-Match is left out: RFC 6585 has a status of its own for it",
}
"""Statuses by which whatever fits its schema may be refused, and why that is no fault."""

ONE_OF: Final = "exactly one of some fields has to be there"
PROFILE: Final = "a profile is YAML with rules of its own"
PROJECT: Final = "expressions, patterns, dates and events of a project fit together, and its destinations are there"
CONDITIONS: Final = "a rule's expressions take linear time, its attribute is one, and its conditions go together"
WHO: Final = "the project's pattern says what a participant is called"
PASSWORDS: Final = "a password may not repeat itself, be one's own name, or be tried first by everybody"
KIND: Final = "what a destination needs is its kind's, and the sender's to check"

ONLY_DATA_KNOW: Final[Mapping[str, str]] = {
    "accept_proposal": PROFILE,
    "add_coupling": "an entry names a study by at least one of three fields, and no other entry says otherwise",
    "add_participant": WHO,
    "apply": PROJECT,
    "approve": PROJECT,
    "assign": WHO,
    "change_destination": KIND,
    "change_password": PASSWORDS,
    "change_project": PROJECT,
    "change_rule": CONDITIONS,
    "compare_profiles": ONE_OF,
    "correct": WHO,
    "decide": ONE_OF,
    "explain_attribute": ONE_OF,
    "extend": "an end is still to come",
    "go_to_provider": "port and challenge belong together",
    "make_account": PASSWORDS,
    "make_destination": KIND,
    "make_project": PROJECT,
    "make_rule": CONDITIONS,
    "make_token": "a token may not do more than whoever makes it",
    "replace_project_profile": PROFILE,
    "replace_rule_order": "an order names every rule of the project once",
    "resend": ONE_OF,
    "reset_password": PASSWORDS,
    "set_account_password": PASSWORDS,
    "try_rules": ONE_OF,
    "turn_switch": "whoever switches something off says why",
    "upload_coupling": "a list is checked line by line; entries expire after some days, or never",
}
"""Operations that may say 422 of what fits its schema, and what no schema says."""

SETTINGS: Final = {
    "FIONA_SECRET_KEY": KEY,
    "FIONA_API_PASSWORD_KIB": "8",
    "FIONA_API_PASSWORD_ROUNDS": "1",
    "FIONA_API_STOW_IDLE_SECONDS": "2",
    # The door does not close on whoever knocks so often here.
    "FIONA_API_SIGN_IN_FAILURES": "1000000",
    "FIONA_API_SIGN_IN_FAILURES_ADDRESS": "1000000",
}
REFUSED: Final = ("400", "401", "403", "406", "415", "422")
SOUND_EVERY: Final = 25


@dataclass(frozen=True)
class Served:
    """A server, and what is in it."""

    folder: Path
    port: int
    identities: list[str]

    @property
    def base(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def log(self) -> Path:
        return self.folder / "api.log"

    def stores_nothing(self) -> bool:
        """Whether no request of STOW-RS is in hand."""
        told = httpx.get(f"{self.base}/metrics", trust_env=False, timeout=60).text
        return "\nfiona_api_stow_requests 0.0\n" in told

    def complaints(self) -> list[str]:
        """Lines of the log by which the server says that something went wrong that no answer has shown."""
        said = self.log.read_text("utf-8").splitlines()
        return [line for line in said if "Traceback" in line or "request failed" in line or "Exception" in line]


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
    """Schemathesis's: half of the time, what is in a path is there; which refusals are no fault."""
    known = {
        "path.uid": [STUDY, f"{STUDY}.1"],
        "path.sop": [f"{STUDY}.1.1"],
        "path.name": ["ABCD-study", "here", "basic"],
        "path.identity": identities,
    }
    taken = ["2xx", "3xx", "401", "403", "404", "409", "429", *MEANT_BY_DATA]
    # A stream's schema is of its text as a whole; it would be held against each event.
    lines = ['max-stream-events = 1\nhooks = "scripts.fuzz_hooks"']
    lines += [f'[dictionaries."{name}"]\nvalues = {json.dumps(values)}' for name, values in known.items()]
    lines += ["[parameters]", *(f'"{name}" = {{ dictionary = "{name}", probability = 0.5 }}' for name in known)]
    lines += [f"[checks.positive_data_acceptance]\nexpected-statuses = {json.dumps(taken)}"]
    lines += [f"[checks.missing_required_header]\nexpected-statuses = {json.dumps([*REFUSED, '428'])}"]
    for operation in ONLY_DATA_KNOW:
        lines += [f"[[operations]]\ninclude-operation-id = {json.dumps(operation)}"]
        lines += [f"[operations.checks.positive_data_acceptance]\nexpected-statuses = {json.dumps([*taken, '422'])}"]
    lines += ['[[operations]]\ninclude-operation-id = "watch"\nchecks.response_schema_conformance.enabled = false']
    return "\n".join(lines)


def ask(served: Served, options: argparse.Namespace) -> int:
    """Schemathesis's exit code: 0 when nothing was found."""
    config = served.folder / "schemathesis.toml"
    config.write_text(configuration(served.identities))
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(config)),
        *("run", f"{served.base}/api/v1/openapi.json", "--seed", str(options.seed)),
        *("--max-examples", str(options.examples), "--phases", options.phases, "--no-color", "--continue-on-failure"),
        *("--header", f"Authorization: Bearer {TOKEN}", "--request-timeout", "60", "--warnings", "off"),
    ]
    if options.leave_out:
        command += ["--exclude-path-regex", options.leave_out]
    if options.only:
        command += ["--include-path-regex", options.only]
    if options.seconds:
        command += ["--max-time", str(options.seconds)]
    found = {**environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    return subprocess.run(command, cwd=served.folder, env=found, check=False).returncode


def store_anything(served: Served, seed: int, requests: int) -> None:
    """So many requests to STOW-RS by a client that does anything; AssertionError when what must hold does not."""
    told: frozenset[str] = frozenset()
    exact = True
    for number in range(requests):
        try:
            answer = attack(served.port, Chance(seed * 1_000_000 + number), number)
            exact = exact and answer is not None
            told |= answer.stored if answer is not None and answer.status in (200, 202) else frozenset()
            if number % SOUND_EVERY == SOUND_EVERY - 1 or number == requests - 1:
                wait_until(served.stores_nothing, 60, "the end of the requests")
                told, exact = sound(served.port, served.data, told, exact), True
        except BaseException as error:
            raise AssertionError(f"request {number} of seed {seed}") from error


@contextmanager
def serving(folder: Path, database: str = "") -> Iterator[Served]:
    """An api of its own, filled; `database`: an empty one, by default SQLite in the folder."""
    port = free_port()
    base = f"http://{LOOPBACK}:{port}"
    url = database or f"sqlite+aiosqlite:///{folder / 'fiona.sqlite'}"
    settings = {"FIONA_DATA": str(folder / "data"), "FIONA_DATABASE_URL": url, "FIONA_API_PORT": str(port)}
    command = [sys.executable, "-m", "services", "api"]
    server = Process(command, folder / "api.log", {**environ, **SETTINGS, **settings})
    try:
        server.wait_ready(lambda: _ready(base), 120)
        yield Served(folder, port, asyncio.run(fill(url, base)))
    finally:
        server.stop()


def main(arguments: list[str] | None = None) -> int:
    """Serve, fill, ask."""
    parser = argparse.ArgumentParser(description="Hold the api against its schema.")
    parser.add_argument("--examples", type=int, default=20, help="per operation and phase; 0: ask nothing")
    parser.add_argument("--stow", type=int, default=0, help="requests to STOW-RS by a client that does anything")
    parser.add_argument("--seconds", type=int, default=0, help="at most; 0: as long as it takes")
    parser.add_argument("--phases", default="coverage,fuzzing")
    parser.add_argument("--leave-out", default=LEFT_OUT, help="paths, by a regular expression; empty: none")
    parser.add_argument("--only", default="", help="paths, by a regular expression")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--database", default="", help="an empty one; by default SQLite in a folder of its own")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as name, serving(Path(name), options.database) as served:
        found = ask(served, options) if options.examples else 0
        store_anything(served, options.seed, options.stow)
        complaints = served.complaints()
        sys.stdout.write("".join(f"{line}\n" for line in complaints[:20]))
        return found or int(bool(complaints))


def _ready(base: str) -> bool:
    try:
        return httpx.get(f"{base}/readyz", trust_env=False).is_success
    except httpx.TransportError:
        return False


if __name__ == "__main__":
    sys.exit(main())
