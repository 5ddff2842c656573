"""What `fiona send` does once it is clear what is wanted; apart, since its imports take their time."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from cli.assign import assigned
from cli.client import Client, Item
from cli.dicom.files import Sendable, Skipped, files, look
from cli.dicom.node import Node
from cli.dicom.store import Outcome, store
from cli.failure import Code, Failure
from cli.for_project import Plan, wait_until_known
from cli.from_store import stored_files
from cli.output import Column, err, out, remark, show_json, table
from services.receiver.settings import ReceiverSettings
from shared.scu.statuses import NO_ANSWER

REFUSED: tuple[Column, ...] = (("File", "file"), ("SOPInstanceUID", "sop_instance_uid"), ("Refused", "reason"))


@dataclass(frozen=True)
class Wish:
    """What is to be sent, where to (None: the gateway), and whose it is to be."""

    paths: Sequence[Path]
    patient: str | None
    last: int | None
    to: Node | None
    calling: str
    project: str | None
    participant: str | None
    event: str


def perform(wish: Wish, as_json: bool) -> None:
    """Send, assign, report; Failure when anything was refused."""
    found = [look(path) for path in _wanted(wish)]
    sendable = [file for file in found if isinstance(file, Sendable)]
    skipped = [file for file in found if isinstance(file, Skipped)]
    if not sendable:
        raise Failure(f"no DICOM file among {len(found)}")
    plan = None
    if wish.project:
        with Client() as client:
            plan = Plan.of(client, sendable, wish.project, wish.participant, wish.event)
    node = wish.to or gateway()
    outcomes = list(_with_progress(sendable, store(sendable, node, wish.calling)))
    assignments, refusals = _assign(plan, outcomes) if plan else ([], [])
    _report(node, wish.to is None, outcomes, skipped, assignments, as_json)
    failed = sum(not outcome.stored for outcome in outcomes)
    if failed:
        refusals.insert(0, f"{failed} of {len(outcomes)} files were not taken")
    if refusals:
        raise Failure("; ".join(refusals))


def gateway() -> Node:
    """The gateway's receiver, as this machine's settings have it."""
    settings = ReceiverSettings()
    host = "127.0.0.1" if settings.host in ("", "0.0.0.0", "::") else settings.host  # noqa: S104  compared, not listened on
    return Node(settings.ae_titles[0], host, settings.port)


def _wanted(wish: Wish) -> list[Path]:
    if wish.paths:
        return list(files(wish.paths))
    patient = wish.patient
    if patient == "-":
        patient = typer.get_text_stream("stdin").readline().strip()
    with Client() as client:
        return stored_files(client, patient, wish.last)


def _with_progress(sendable: Sequence[Sendable], outcomes: Iterator[Outcome]) -> Iterator[Outcome]:
    bar = Progress(
        TextColumn("sending"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=err(),
        transient=True,
    )
    with bar:
        yield from bar.track(outcomes, total=len(sendable))


def _assign(plan: Plan, outcomes: Sequence[Outcome]) -> tuple[list[Item], list[str]]:
    """Assign what was taken; the assignments in force, and why others are not."""
    taken = {outcome.file.study_instance_uid for outcome in outcomes if outcome.stored} - {""}
    done: list[Item] = []
    refusals: list[str] = []
    with Client() as client:
        wait_until_known(client, sorted(taken))
        for study in sorted(taken):
            try:
                done.append(assigned(client, study, plan.project, plan.participants[study], plan.event))
            except Failure as failure:
                if failure.code is Code.UNREACHABLE:
                    raise
                refusals.append(f"{study}: {failure.message}")
    return done, refusals


def _report(
    node: Node,
    ours: bool,
    outcomes: Sequence[Outcome],
    skipped: Sequence[Skipped],
    assignments: Sequence[Item],
    as_json: bool,
) -> None:
    if as_json:
        return show_json(
            {
                "files": [
                    {
                        "path": str(each.file.path),
                        "study_instance_uid": each.file.study_instance_uid,
                        "sop_instance_uid": each.file.sop_instance_uid,
                        "status": None if each.status == NO_ANSWER else each.status,
                        "stored": each.stored,
                        "reason": "" if each.stored else each.reason(ours),
                    }
                    for each in outcomes
                ],
                "skipped": [{"path": str(each.path), "reason": each.reason} for each in skipped],
                "assignments": list(assignments),
            }
        )
    for reason, count in Counter(each.reason for each in skipped).most_common():
        remark(f"skipped {count}: {reason}")
    refused: list[Item] = [
        {"file": str(each.file.path), "sop_instance_uid": each.file.sop_instance_uid, "reason": each.reason(ours)}
        for each in outcomes
        if not each.stored
    ]
    if refused:
        out().print(table(refused, REFUSED))
    studies = len({each.file.study_instance_uid for each in outcomes if each.stored})
    out().print(f"{len(outcomes) - len(refused)} files of {studies} studies are at {node}", markup=False)
    for each in assignments:
        out().print(f"{each['study_instance_uid']} is {each['project']} {each['participant']}", markup=False)
    return None
