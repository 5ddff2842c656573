"""`fiona deidentify`: a folder without its identities; needs no gateway."""

import os
import secrets
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from cli.client import Item
from cli.failure import Code, Failure
from cli.output import Json, err, out, remark, show_json, table

if TYPE_CHECKING:
    from deidentification import Report

KEY_BYTES = 32


def deidentify(
    in_dir: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="DICOM files, at any depth.")],
    out_dir: Annotated[Path, typer.Argument(file_okay=False, help="Where the result and report.json go.")],
    profile: Annotated[str, typer.Option(help="What is removed and what is kept.")] = "basic",
    project: Annotated[str, typer.Option(help="Stands in the result; its key makes the pseudonyms.")] = "PROJECT",
    participant: Annotated[str, typer.Option(help="The pseudonym that takes the patient's place.")] = "PARTICIPANT",
    event: Annotated[str, typer.Option(help="The project's word for the visit.")] = "Unknown",
    key_file: Annotated[
        Path | None,
        typer.Option(
            exists=True, dir_okay=False, help="32 bytes, or 64 hexadecimal digits: same key, same pseudonyms."
        ),
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = os.cpu_count() or 1,
    as_json: Json = False,
) -> None:
    """De-identify a folder: every file is written, or quarantined with its reason in OUT_DIR/report.json."""
    from deidentification import BUILT_IN, FolderError, Subject, deidentify_folder

    if profile not in BUILT_IN:
        raise typer.BadParameter(f"no profile {profile!r}; there are: {', '.join(sorted(BUILT_IN))}")
    try:
        subject = Subject(project, participant, event, _key(key_file))
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    bar = Progress(
        TextColumn("de-identifying"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=err(),
        transient=True,
    )
    with bar:
        task = bar.add_task("", total=None)

        def show(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        try:
            report = deidentify_folder(in_dir, out_dir, subject, BUILT_IN[profile], workers, show)
        except FolderError as error:
            raise Failure(str(error)) from error
    if key_file is None:
        remark("a random key was used and is forgotten: another run makes other pseudonyms (see --key-file)")
    counts = _counts(report)
    if as_json:
        return show_json(counts)
    out().print(
        table(
            [{"what": what, "files": files} for what, files in counts.items()],
            (("", "what"), ("Files", "files")),
        )
    )
    reasons: list[Item] = [
        {"reason": reason, "files": files}
        for reason, files in Counter(entry.reason for entry in report.quarantined).most_common()
    ]
    if reasons:
        out().print(table(reasons, (("Files", "files"), ("Quarantined because", "reason"))))
    return out().print(f"report: {out_dir / 'report.json'}", markup=False)


def _counts(report: "Report") -> dict[str, int]:
    return {
        "files": report.files,
        "written": len(report.written),
        "quarantined": len(report.quarantined),
        "duplicates": report.duplicates,
    }


def _key(file: Path | None) -> bytes:
    """The project's secret: from a file, or at random."""
    if file is None:
        return secrets.token_bytes(KEY_BYTES)
    content = file.read_bytes()
    if len(content) == KEY_BYTES:
        return content
    try:
        key = bytes.fromhex(content.decode("ascii").strip())
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise Failure(f"{file} holds no key: 32 bytes or 64 hexadecimal digits", Code.USAGE)
    return key
