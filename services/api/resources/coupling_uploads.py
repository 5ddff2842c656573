"""Coupling lists as files: rehearsed, or taken whole."""

import asyncio
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import Field

from services.api.actor import Who
from services.api.answers import Shape, example
from services.api.coupling.body import file_of
from services.api.coupling.columns import COLUMNS, official
from services.api.coupling.reading import CouplingList, NoList, read
from services.api.coupling.rows import SHOWN, Flaw
from services.api.coupling.upload import Report, Wish, upload
from services.api.needs import Ctx, ProjectName, Setting
from services.api.problems import FieldError, Problem, documented
from services.api.projects import get_project
from services.api.resources.coupling import ExpiresDays

router = APIRouter(tags=["coupling"])

EXAMPLE_FILE = (
    "AccessionNumber;ProjectName;subjectid;eventname\r\nA-1001;ABCD-study;ABCD-0017;baseline\r\n"
    "A-1002;ABCD-study;ABCD-0018;baseline\r\n"
)
BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "text/csv": {"schema": {"type": "string"}, "example": EXAMPLE_FILE},
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {"file": {"type": "string", "format": "binary"}},
                    "required": ["file"],
                },
                "example": {"file": EXAMPLE_FILE},
            },
        },
    }
}
DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe"}


def _turns(request: Request) -> asyncio.Semaphore:
    turns: asyncio.Semaphore = request.app.state.coupling_turns
    return turns


Turns = Annotated[asyncio.Semaphore, Depends(_turns)]
"""Few lists are worked on at once; more wait."""


class LineProblem(Shape):
    """What is wrong with a line, without a word of what stands there."""

    line: int = Field(description="of the file; the header's is 1")
    column: str | None = Field(description="null: the line as a whole")
    reason: str
    entry: str | None = Field(description="the entry in force that says otherwise")


class UploadReport(Shape):
    """What has become of a list; of a rehearsal, what would."""

    model_config = example(
        dry_run=True,
        upload=None,
        rows=212,
        added=180,
        amended=0,
        prolonged=30,
        unchanged=0,
        conflicts=1,
        repeated=1,
        repeated_lines=[17],
        studies=12,
        problems=[
            {
                "line": 5,
                "column": "subjectid",
                "reason": "an entry in force says otherwise",
                "entry": "4e5a0c5e-1f0f-4b89-8a53-0d7a5b6d0c11",
            }
        ],
        problems_total=1,
        expires_at="2026-01-15T08:00:00Z",
        encoding="windows-1252",
        delimiter="semicolon",
        ignored_columns=[5],
    )
    dry_run: bool
    upload: str | None = Field(description="its id; null: nothing was taken")
    rows: int = Field(description="that could be read")
    added: int
    amended: int = Field(description="entries that said less: an AccessionNumber, a PatientID or its issuer is new")
    prolonged: int
    unchanged: int
    conflicts: int = Field(description="lines that contradict an entry in force")
    repeated: int = Field(description="lines that say again what a line before them says: harmless")
    repeated_lines: list[int] = Field(description=f"the first {SHOWN} of them")
    studies: int = Field(description="that are here already and that the list names")
    problems: list[LineProblem] = Field(description=f"the first {SHOWN}; with any, a list is not taken")
    problems_total: int
    expires_at: datetime | None = Field(description="null: never")
    encoding: str
    delimiter: str
    ignored_columns: list[int] = Field(description="counted from 1: their names mean nothing here")


@router.post(
    "/projects/{name}/coupling/csv",
    summary="Upload a coupling list",
    status_code=201,
    openapi_extra=BODY,
    responses={
        200: {"model": UploadReport, "description": "A rehearsal: what would become of the list"},
        **documented(
            "unknown-project", "project-inactive", "coupled-otherwise", "invalid-coupling-list",
            "unsupported-media-type",
        ),
    },
)  # fmt: skip
async def upload_coupling(
    context: Ctx,
    settings: Setting,
    who: Who,
    turns: Turns,
    request: Request,
    response: Response,
    name: ProjectName,
    dry_run: Annotated[bool, Query(description="only say what would become of it")] = False,
    expires_days: Annotated[ExpiresDays | None, Query(description="by default the gateway's")] = None,
    never: Annotated[bool, Query(description="the entries do not expire")] = False,
) -> UploadReport:
    """A CSV file, by whatever delimiter and in whatever encoding; checked whole, and taken whole or not at all."""
    if never and expires_days is not None:
        raise Problem("invalid-request", "either never or expires_days")
    days = None if never else expires_days or settings.coupling_days
    content = await file_of(request)
    async with turns:
        async with context.database.reading() as session:
            await get_project(session, name)
        try:
            listed = await asyncio.to_thread(read, content)
        except NoList as error:
            raise Problem("invalid-coupling-list", f"it is no coupling list: {error}") from None
        report = await upload(context, Wish(name, listed.rows, listed.flaws, days, who, dry_run))
    if report.flaws and not dry_run:
        raise _refused(report)
    if dry_run:
        response.status_code = 200
    else:
        response.headers["Location"] = f"/api/v1/projects/{name}/coupling/uploads"
    return _answer(listed, report, dry_run)


def _refused(report: Report) -> Problem:
    flaws = report.flaws
    kind = "coupled-otherwise" if flaws.only_conflicts else "invalid-coupling-list"
    listed = f"; the first {len(flaws.kept)} are listed" if flaws.total > len(flaws.kept) else ""
    detail = f"{flaws.total} problems in {len(flaws.lines)} lines{listed}; nothing was taken"
    return Problem(kind, detail, [_error(flaw) for flaw in flaws.kept])


def _error(flaw: Flaw) -> FieldError:
    """The line and the column, as FieldErrors say where."""
    place = [official(flaw.field)] if flaw.field in COLUMNS else []
    reason = f"{flaw.reason}: {flaw.entry}" if flaw.entry else flaw.reason
    return FieldError(loc=["body", "line", flaw.line, *place], msg=reason, type="conflict" if flaw.entry else "row")


def _answer(listed: CouplingList, report: Report, dry_run: bool) -> UploadReport:
    return UploadReport(
        dry_run=dry_run,
        upload=report.upload,
        rows=report.rows,
        added=report.added,
        amended=report.amended,
        prolonged=report.prolonged,
        unchanged=report.unchanged,
        conflicts=report.flaws.conflicts,
        repeated=len(report.repeated),
        repeated_lines=report.repeated[:SHOWN],
        studies=report.studies,
        problems=[
            LineProblem(
                line=flaw.line,
                column=official(flaw.field) if flaw.field in COLUMNS else None,
                reason=flaw.reason,
                entry=flaw.entry,
            )
            for flaw in report.flaws.kept
        ],
        problems_total=report.flaws.total,
        expires_at=report.until,
        encoding=listed.encoding,
        delimiter=DELIMITERS[listed.delimiter],
        ignored_columns=listed.ignored,
    )
