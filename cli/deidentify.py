"""`fiona deidentify`: a folder without its identities; needs no gateway."""

import os
import secrets
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from cli.client import Item
from cli.failure import Code, Failure
from cli.output import Json, err, out, remark, show_json, table

if TYPE_CHECKING:
    from deidentification import Profile, Report, Subject
    from deidentification.participants import Participants
    from deidentification.report.account import LeftAside, Quarantined

KEY_BYTES = 32
FEW = 20


def deidentify(
    in_dir: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="DICOM files, at any depth.")],
    out_dir: Annotated[Path, typer.Argument(file_okay=False, help="Where the result and report.json go.")],
    profile: Annotated[str, typer.Option(help="What is removed and what is kept: a name, or a YAML file.")] = "basic",
    project: Annotated[str, typer.Option(help="Stands in the result; its key makes the pseudonyms.")] = "PROJECT",
    participant: Annotated[str, typer.Option(help="The pseudonym that takes the patient's place.")] = "PARTICIPANT",
    participants: Annotated[
        Path | None,
        typer.Option(
            exists=True, dir_okay=False,
            help="Many patients: a CSV with the first line PatientID,participant[,event]. Who is not in it stays.",
        ),
    ] = None,
    event: Annotated[str, typer.Option(help="The project's word for the visit.")] = "Unknown",
    key_file: Annotated[
        Path | None,
        typer.Option(
            exists=True, dir_okay=False, help="32 bytes, or 64 hexadecimal digits: same key, same pseudonyms."
        ),
    ] = None,
    report: Annotated[
        Path | None, typer.Option(dir_okay=False, help="A page for whoever has to answer for it (HTML).")
    ] = None,
    with_values: Annotated[
        bool, typer.Option("--with-values", help="The reports show the values that are left in the results.")
    ] = False,
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = os.cpu_count() or 1,
    time_limit: Annotated[float, typer.Option(min=1, help="Seconds for one file; then it is quarantined.")] = 1800,
    as_json: Json = False,
) -> None:  # fmt: skip
    """De-identify a folder: every file is written, left out, or quarantined with its reason in OUT_DIR/report.json."""
    from deidentification import FolderError, Subject, deidentify_folder, not_entered
    from deidentification.processes import Limits

    if report is not None and not report.parent.is_dir() and report.parent.resolve() != out_dir.resolve():
        raise typer.BadParameter("the folder of --report is not there")
    if report is not None and (report.exists() or report.resolve().is_relative_to(in_dir.resolve())):
        raise typer.BadParameter("--report names a file that exists, or lies in IN_DIR: nothing is overwritten")
    chosen = _profile(profile)
    try:
        subject = Subject(project, participant, event, _key(key_file))
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    people = _participants(participants, subject)
    bar = _Bar()
    try:
        done = deidentify_folder(
            in_dir, out_dir, subject, chosen, workers, bar.show, people, Limits(seconds=time_limit), with_values
        )
    except FolderError as error:
        raise Failure(str(error)) from error
    except KeyboardInterrupt as error:
        raise Failure(
            f"interrupted: what lies in {out_dir} is de-identified, but no report accounts for the rest; "
            "start again into an empty folder"
        ) from error
    finally:
        bar.stop()
    if report is not None:
        _write_page(report, done, key_file is not None, with_values)
    _remarks(done, key_file is not None, participant)
    if linked := not_entered(in_dir):
        remark(f"warning: folders behind symbolic links were not entered: {linked}")
    if as_json:
        show_json(done.counts)
    else:
        _show(done, out_dir, report)
    if done.files and not done.written:
        raise Failure("no file could be de-identified")


class _Rate(ProgressColumn):
    """Files per second."""

    def render(self, task: Task) -> Text:
        """As shown."""
        return Text(f"{task.speed:.1f}/s" if task.speed else "")


class _Bar:
    """Progress on stderr, from the first file on: a thread that draws would keep processes from being forked."""

    def __init__(self) -> None:
        self._progress = Progress(
            TextColumn("de-identifying"), BarColumn(), MofNCompleteColumn(), _Rate(), TimeRemainingColumn(),
            console=err(), transient=True,
        )  # fmt: skip
        self._task = self._progress.add_task("", total=None)

    def show(self, done: int, total: int) -> None:
        """So many of so many."""
        if not self._progress.live.is_started:
            self._progress.start()
        self._progress.update(self._task, completed=done, total=total)

    def stop(self) -> None:
        """Leave the terminal as it was."""
        self._progress.stop()


def _profile(name: str) -> "Profile":
    """A built-in by its name, or one that a file declares."""
    from deidentification import BUILT_IN
    from deidentification.profiles import ProfileError, read_profile

    if name in BUILT_IN:
        return BUILT_IN[name]
    file = Path(name)
    if not file.is_file():
        raise typer.BadParameter(f"no profile {name!r}: neither a file nor one of {', '.join(sorted(BUILT_IN))}")
    try:
        return read_profile(file.read_text("utf-8"))
    except ProfileError as error:
        said = "; ".join(
            f"{problem.where}: {problem.what}" if problem.where else problem.what for problem in error.problems
        )
        raise Failure(f"{file} is no profile: {said}", Code.USAGE) from error
    except UnicodeDecodeError as error:
        raise Failure(f"{file} is no profile: it is not UTF-8", Code.USAGE) from error


def _participants(file: Path | None, subject: "Subject") -> "Participants | None":
    """Who becomes whom, where a table says so."""
    from deidentification.participants import ParticipantsError, read_participants

    if file is None:
        return None
    try:
        return read_participants(file.read_text("utf-8"), subject)
    except ParticipantsError as error:
        raise Failure(f"{file}: {error}", Code.USAGE) from error
    except UnicodeDecodeError as error:
        raise Failure(f"{file}: it is not UTF-8", Code.USAGE) from error


def _write_page(file: Path, done: "Report", key_given: bool, with_values: bool) -> None:
    from deidentification.report.page import render

    page = render(done, datetime.now(UTC), key_given, with_values)
    try:
        file.write_text(page, "utf-8")
    except OSError as error:
        raise Failure(f"{file} cannot be written: {error.strerror}") from error


def _remarks(done: "Report", key_given: bool, participant: str) -> None:
    """What people should know beside the numbers."""
    if not key_given:
        remark("a random key was used and is forgotten: another run makes other pseudonyms (see --key-file)")
    if (done.patients or 0) > 1:
        remark(f"warning: the files name {done.patients} patients, and all became {participant} (see --participants)")


def _show(done: "Report", out_dir: Path, page: Path | None) -> None:
    """The numbers, and why files are not among the results."""
    counts: list[Item] = [{"what": what.replace("_", " "), "files": files} for what, files in done.counts.items()]
    out().print(table(counts, (("", "what"), ("Files", "files"))))
    if done.pixels.images_read or done.pixels.images_changed:
        pixels: list[Item] = [
            {"what": "read", "images": done.pixels.images_read, "frames": done.pixels.frames_read},
            {"what": "changed", "images": done.pixels.images_changed, "frames": done.pixels.frames_changed},
        ]
        out().print(table(pixels, (("Pixels", "what"), ("Images", "images"), ("Frames", "frames"))))
    for title, entries in (("Quarantined because", done.quarantined), ("Left out because", done.left_out)):
        if reasons := _reasons(entries):
            out().print(table(reasons, (("Files", "files"), ("Rule", "rule"), (title, "reason"))))
    out().print(f"report: {out_dir / 'report.json'}", markup=False)
    if page is not None:
        out().print(f"page: {page}", markup=False)


def _reasons(entries: "Iterable[Quarantined | LeftAside]") -> list[Item]:
    """How many files for which reason, the most frequent first."""
    found = Counter((entry.rule, entry.reason) for entry in entries)
    return [{"files": files, "rule": rule, "reason": reason} for (rule, reason), files in found.most_common(FEW)]


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
