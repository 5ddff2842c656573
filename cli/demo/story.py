"""The demo from start to verdict."""

import os
import shutil
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event

from pydicom.uid import UID
from rich.table import Table

from cli.client import Client, Item, segment
from cli.demo.accounts import Row, Sent, checks, rows, sent
from cli.demo.comparison import comparison, pair
from cli.demo.corpus import corpus
from cli.demo.gateway import Gateway, GatewayFailed, Ports, running
from cli.demo.screen import screen, study_table
from cli.demo.setting import DESTINATION, PROJECT, set_up
from cli.dicom.files import Sendable, Skipped
from cli.dicom.node import Node
from cli.dicom.store import Outcome, store
from cli.output import out, table

QUIET_SECONDS = "2"
STUCK_SECONDS = 90
MARK = ".fiona-demo"
"""Stands in a store that a demo made and may therefore remove."""
KEPT = ("FIONA_API_PORT", "FIONA_RECEIVER_PORT", "FIONA_LOG_LEVEL")
"""What of the environment holds for the demo; all else is at its default."""


def tell(data: Path, bundled_only: bool) -> int:
    """Run the demo; 0 only if every count agrees."""
    console = out()
    ports = Ports.from_environment()
    ports.check()
    _anew(data)
    console.print(
        f"starting the gateway: REST on 127.0.0.1:{ports.http}, DICOM on 127.0.0.1:{ports.dicom} (AE title FIONA), "
        f"store {data}\n(a series counts as whole after {QUIET_SECONDS} quiet seconds here; the default is 15)",
        markup=False,
    )
    with running(data, ports, environment()) as gateway, Client(gateway.url, token=gateway.token) as client:
        set_up(client)
        offered, skipped = corpus(bundled_only)
        _say_what(offered)
        outcomes, final = _watch(gateway, client, offered)
        mine, folder = sent(outcomes), data / "outbox" / DESTINATION
        counts = client.get("/counts")
        _explain(client, mine, skipped)
        console.print(study_table(final, sums=True))
        agree = _verdict(mine, counts, final, folder)
        if found := pair(mine, final, folder):
            console.print(comparison(found))
    console.print(
        f"the de-identified studies are in {folder}\n"
        f"go on: `make run` keeps a gateway running; `.venv/bin/fiona studies` and `.venv/bin/fiona --help` talk to it",
        markup=False,
    )
    return 0 if agree else 1


def environment() -> dict[str, str]:
    """The embedded defaults, and a shorter wait."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FIONA_") or name in KEPT}
    return {**kept, "FIONA_INDEXER_QUIET_SECONDS": QUIET_SECONDS}


def _anew(data: Path) -> None:
    """An empty store; one that no demo made is not touched."""
    if data.exists() and any(data.iterdir()):
        if not (data / MARK).exists():
            raise GatewayFailed(f"{data} is not empty and no earlier demo's: say another folder by --data")
        shutil.rmtree(data)
    data.mkdir(parents=True, exist_ok=True)
    (data / MARK).touch()


def _say_what(offered: Sequence[Sendable]) -> None:
    syntaxes = Counter(UID(file.transfer_syntax_uid).name for file in offered)
    classes = Counter(UID(file.sop_class_uid).name for file in offered)
    out().print(
        f"sending {len(offered)} files by C-STORE: {len(classes)} SOP classes, {len(syntaxes)} transfer syntaxes",
        markup=False,
    )
    out().print("  " + "; ".join(f"{name} {count}" for name, count in syntaxes.most_common()), markup=False)


def _watch(gateway: Gateway, client: Client, offered: Sequence[Sendable]) -> tuple[list[Outcome], list[Row]]:
    """Send, assign what has arrived, and look on until nothing moves any more."""
    outcomes: list[Outcome] = []
    node = Node("FIONA", "127.0.0.1", gateway.ports.dicom)
    with ThreadPoolExecutor(1) as sender, _set_at_end() as stop, screen() as show:
        sending = sender.submit(_send, offered, node, outcomes, stop)
        participants: dict[str, str] = {}
        before: list[Row] = []
        moved = time.monotonic()
        while True:
            gateway.check()
            over = sending.done()
            now = _look(client, outcomes[:], participants)
            show(len(offered), len(outcomes), now)
            if now != before or not over:
                before, moved = now, time.monotonic()
            if over and (all(row.done for row in now) or time.monotonic() - moved > STUCK_SECONDS):
                sending.result()
                return outcomes, now
            time.sleep(0.3)


def _send(offered: Sequence[Sendable], node: Node, outcomes: list[Outcome], stop: Event) -> None:
    for outcome in store(offered, node, "DEMO_SCANNER"):
        outcomes.append(outcome)
        if stop.is_set():
            return


@contextmanager
def _set_at_end() -> Iterator[Event]:
    event = Event()
    try:
        yield event
    finally:
        event.set()


def _look(client: Client, outcomes: Sequence[Outcome], participants: dict[str, str]) -> list[Row]:
    """How far everything is; what has arrived and is nobody's is assigned on the way."""
    studies = list(client.items("/studies", state="all"))
    for study in studies:
        if study.get("arrived_at") and study["study_instance_uid"] not in participants:
            _assign(client, study, participants)
    transfers = list(client.items("/transfers", project=PROJECT))
    return rows(sent(outcomes).by_study, studies, transfers, PROJECT)


def _assign(client: Client, study: Item, participants: dict[str, str]) -> None:
    """One participant per patient; a study whose PatientID is empty is a patient of its own."""
    uid = str(study["study_instance_uid"])
    patient = f"patient {study['patient_id']}" if study.get("patient_id") else uid
    number = len(set(participants.values())) + 1
    participant = participants.setdefault(patient, f"DEMO{number:03}")
    participants[uid] = participant
    client.post(f"/studies/{segment(uid)}/assignments", {"project": PROJECT, "participant": participant})


def _explain(client: Client, mine: Sent, skipped: Sequence[Skipped]) -> None:
    """Why something was not sent, not taken, or is in quarantine."""
    quarantine = [
        item
        for transfer in client.items("/transfers", project=PROJECT)
        if transfer.get("quarantined")
        for item in client.get(f"/transfers/{segment(str(transfer['id']))}")["quarantine"]
    ]
    reasons = [
        *_reasons("not sent", (each.reason for each in skipped)),
        *_reasons("refused", (each.reason(gateway=True) for each in mine.refused)),
        *_reasons("quarantined", (str(each["reason"]) for each in quarantine)),
    ]
    if reasons:
        out().print(table(reasons, (("What", "what"), ("Files", "count"), ("Because", "why"))))


def _reasons(what: str, given: Iterable[str]) -> list[Item]:
    return [{"what": what, "count": count, "why": why} for why, count in Counter(given).most_common()]


def _verdict(mine: Sent, counts: Item, final: Sequence[Row], folder: Path) -> bool:
    console = out()
    in_folder = sum(1 for _ in folder.rglob("*.dcm"))
    said = Table.grid(padding=(0, 2))
    agree = True
    for statement, left, right in checks(mine, counts, final, in_folder):
        same = left == right
        agree = agree and same
        sides = f"{left} = {right}" if not isinstance(left, dict) else f"{len(left)} studies"
        if not same:
            sides = _difference(left, right)
        said.add_row("ok" if same else "DISAGREE", statement, sides)
    console.print(
        f"offered {mine.offered}, acknowledged {mine.acknowledged}, refused {len(mine.refused)}, indexed "
        f"{counts['instances']}, duplicates {mine.duplicates}, conflicts {counts['conflicts']}, "
        f"quarantined {sum(row.quarantined for row in final)}, delivered {sum(row.delivered for row in final)}, "
        f"in the folder {in_folder}",
        markup=False,
    )
    console.print(said)
    for row in final:
        if row.state not in ("completed", "quarantined"):
            console.print(f"DISAGREE  study {row.study} is {row.state}", markup=False)
            agree = False
    console.print("every count agrees" if agree else "the counts do NOT agree", style="green" if agree else "red")
    return agree


def _difference(left: object, right: object) -> str:
    if not isinstance(left, dict) or not isinstance(right, dict):
        return f"{left} ≠ {right}"
    return ", ".join(f"{key}: {value} ≠ {right.get(key)}" for key, value in left.items() if value != right.get(key))
