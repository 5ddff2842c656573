"""`fiona coupling`: studies that will come (or are here), and whose they are."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.client import Client, Item, segment
from cli.failure import Code, Failure
from cli.output import Column, Json, listing, moment, out, record, remark, show_json, table

app = typer.Typer(help="A project's coupling list: upload, add, list, show, export, remove.", no_args_is_help=True)

Project = Annotated[str, typer.Option(help="Whose list.")]
Days = Annotated[
    float | None,
    typer.Option("--expires-days", "--days", min=0.01, help="How long it holds; by default as the gateway says."),
]
Never = Annotated[bool, typer.Option("--never", help="It does not expire.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask again.")]

COLUMNS: tuple[Column, ...] = (
    ("ID", "id"),
    ("By", "by"),
    ("StudyInstanceUID", "study_instance_uid"),
    ("Participant", "participant"),
    ("Event", "event"),
    ("Studies", lambda item: len([each for each in item["studies"] if not each["refused"]])),
    ("Refused", lambda item: sorted({each["refused"] for each in item["studies"] if each["refused"]})),
    ("Expires", moment("expires_at")),
)
IDENTITIES: tuple[Column, ...] = (
    ("ID", "id"),
    ("StudyInstanceUID", "study_instance_uid"),
    ("AccessionNumber", "accession_number"),
    ("PatientID", "patient_id"),
    ("Issuer", "issuer"),
    ("Participant", "participant"),
    ("Event", "event"),
    ("Expires", moment("expires_at")),
)
UPLOADS: tuple[Column, ...] = (
    ("Upload", "id"),
    ("Rows", "rows"),
    ("Added", "added"),
    ("Amended", "amended"),
    ("Prolonged", "prolonged"),
    ("Left", "entries"),
    ("By", "created_by"),
    ("When", moment("created_at")),
    ("Expires", moment("expires_at")),
)
PROBLEMS: tuple[Column, ...] = (
    ("Line", "line"),
    ("Column", "column"),
    ("Reason", "reason"),
    ("Entry", "entry"),
)


@app.command()
def upload(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A CSV file; - reads it from stdin.")],
    project: Project,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would become of it.")] = False,
    expires_days: Days = None,
    never: Never = False,
    as_json: Json = False,
) -> None:
    """Take a coupling list whole, or show what is wrong with which line and take nothing."""
    if never and expires_days is not None:
        raise typer.BadParameter("either --expires-days or --never")
    try:
        content = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise Failure(f"the file cannot be read: {error.strerror}", Code.USAGE) from error
    path = f"{_path(project)}/csv"
    asked = {"expires_days": expires_days, "never": never or None}
    with Client() as client:
        # A rehearsal says all that is wrong, where a refusal has room for little.
        report = client.upload(path, content, **asked, dry_run=True)
        if not dry_run and not report["problems_total"]:
            report = client.upload(path, content, **asked)
    if as_json:
        show_json(report)
    else:
        _told(report)
    if report["problems_total"]:
        only_conflicts = report["conflicts"] == report["problems_total"]
        raise Failure(
            f"{report['problems_total']} problems: nothing {'would be' if dry_run else 'was'} taken",
            Code.CONFLICT if only_conflicts else Code.FAILED,
        )


@app.command()
def add(
    project: str,
    participant: str,
    accession: Annotated[
        str | None,
        typer.Option(metavar="NUMBER", help="The study's accession number; - reads it from stdin."),
    ] = None,
    patient: Annotated[
        str | None, typer.Option(metavar="PATIENTID", help="Or all studies of a patient; - reads it from stdin.")
    ] = None,
    issuer: Annotated[str | None, typer.Option(help="Who has given out the PatientID.")] = None,
    study: Annotated[str | None, typer.Option(metavar="STUDYINSTANCEUID", help="Or the study itself.")] = None,
    event: Annotated[str, typer.Option(help="The project's word for the visit.")] = "Unknown",
    expires_days: Days = None,
    never: Never = False,
    as_json: Json = False,
) -> None:
    """Say whose a study is, whether it is here or will come."""
    if bool(accession) + bool(patient) + bool(study) != 1:
        raise typer.BadParameter("one of --accession, --patient, --study")
    if never and expires_days is not None:
        raise typer.BadParameter("either --expires-days or --never")
    if issuer and not patient:
        raise typer.BadParameter("--issuer is of a --patient")
    named = {"accession_number": accession, "patient_id": patient, "issuer": issuer, "study_instance_uid": study}
    entry = {key: _read(value) for key, value in named.items() if value}
    body: Item = {"entries": [{**entry, "participant": participant, "event": event}]}
    if expires_days is not None:
        body["expires_days"] = expires_days
    with Client() as client:
        made = client.post(_path(project), body, null=["expires_days"] if never else ())
    if isinstance(made, dict) and "items" in made:
        listing(made["items"], COLUMNS, as_json, "nothing was added")
    else:
        record(made, as_json)


@app.command("list")
def list_coupling(
    project: str,
    participant: Annotated[str | None, typer.Option(help="Only of this one.")] = None,
    event: Annotated[str | None, typer.Option(help="Only of this visit.")] = None,
    matched: Annotated[
        bool | None, typer.Option("--matched/--waiting", help="That have found a study, or not.")
    ] = None,
    uploads: Annotated[bool, typer.Option("--uploads", help="What was added, by whom and when.")] = False,
    as_json: Json = False,
) -> None:
    """List a project's entries, without accession numbers and PatientIDs."""
    with Client() as client:
        if uploads:
            return listing(client.items(f"{_path(project)}/uploads"), UPLOADS, as_json, "no uploads")
        asked = {
            "participant": participant,
            "event": event,
            "matched": None if matched is None else str(matched).lower(),
        }
        return listing(client.items(_path(project), None, **asked), COLUMNS, as_json, "no entries")


@app.command()
def show(
    project: str,
    counts: Annotated[bool, typer.Option("--counts", help="How many, instead of which.")] = False,
    as_json: Json = False,
) -> None:
    """Show a project's entries with accession numbers and PatientIDs (for those who may), or count them."""
    with Client() as client:
        if counts:
            return record(client.get(f"{_path(project)}/counts"), as_json)
        return listing(client.items(f"{_path(project)}/identities"), IDENTITIES, as_json, "no entries")


@app.command()
def export(
    project: str,
    to: Annotated[Path, typer.Option("--to", metavar="FILE", help="A new file; only you can read it.")],
) -> None:
    """Write a project's entries, identities included, to a CSV file that can be uploaded again."""
    with Client() as client:
        client.download(f"{_path(project)}/export", to)
    remark(f"written to {to}: it names patients")


@app.command()
def remove(
    project: str,
    entries: Annotated[list[str] | None, typer.Argument(metavar="ID", help="These entries.")] = None,
    upload: Annotated[str | None, typer.Option(metavar="ID", help="What this upload was the last to name.")] = None,
    every: Annotated[bool, typer.Option("--all", help="The whole list.")] = False,
    yes: Yes = False,
) -> None:
    """Take entries off the list; what they have assigned stays assigned."""
    if bool(entries) + (upload is not None) + every != 1:
        raise typer.BadParameter("say which: IDs, --upload, or --all")
    with Client() as client:
        if not entries:
            what = "the whole list" if every else "all that the upload was the last to name"
            if not yes:
                typer.confirm(f"Remove {what} from {project}?", abort=True, err=True)
            path = _path(project) if every else f"{_path(project)}/uploads/{segment(str(upload))}"
            gone = client.delete(path)["removed"]
        else:
            for entry in entries:
                client.delete(f"{_path(project)}/{segment(entry)}")
            gone = len(entries)
    out().print(f"removed {gone}", markup=False)


def _path(project: str) -> str:
    return f"/projects/{segment(project)}/coupling"


def _read(value: str) -> str:
    return typer.get_text_stream("stdin").readline().strip() if value == "-" else value


def _told(report: dict[str, Any]) -> None:
    """The problems as a table, then the counts as one line."""
    if report["problems"]:
        out().print(table(report["problems"], PROBLEMS))
    if (more := report["problems_total"] - len(report["problems"])) > 0:
        remark(f"and {more} more problems")
    if report["ignored_columns"]:
        remark(f"not read: columns {', '.join(map(str, report['ignored_columns']))}, whose names mean nothing here")
    if report["repeated"]:
        remark(f"{report['repeated']} lines say again what a line before them says")
    would = "would be " if report["dry_run"] else ""
    out().print(
        f"{report['rows']} rows ({report['encoding']}, {report['delimiter']}): {would}added {report['added']}, "
        f"{would}amended {report['amended']}, {would}prolonged {report['prolonged']}, "
        f"unchanged {report['unchanged']}, conflicts {report['conflicts']}; "
        f"{report['studies']} studies that are here are named",
        markup=False,
    )
