"""A project's own profile: read with its version, replaced by a next one, never changed."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Response
from pydantic import Field

from services.api.actor import Who
from services.api.answers import Page, Shape, example
from services.api.etags import SHOWN, Edit, Shown
from services.api.lists import part
from services.api.needs import Ctx, Limit, Offset, ProjectName, Prose
from services.api.problems import documented
from services.api.projects import get_project
from services.api.resources.profiles import DETAIL, Fault, Yaml, checked
from services.api.rows import get_row
from services.api.stored_profiles import Stored, current, store_next, stored
from shared.log import logger
from shared.tables import ProjectProfile

router = APIRouter(tags=["profiles"])
log = logger("api")

VERSION: dict[str, Any] = {
    "project": "ABCD-study",
    "version": 3,
    "name": "ABCD-study",
    "digest": "5f0c…",
    "reason": "ward names in SeriesDescription",
    "author": "k.olsen",
    "created_at": "2026-01-03T09:00:00Z",
}


class NewVersion(Shape):
    """What a project's studies are to be de-identified by from now on."""

    model_config = example(content=DETAIL["content"], reason="ward names in SeriesDescription")
    content: Yaml
    reason: Prose = Field(max_length=500, description="for people; no patient's name")


class VersionItem(Shape):
    """A version of a project's profile."""

    model_config = example(**VERSION)
    project: str
    version: int = Field(description="0: a built-in one, as the project has none of its own")
    name: str
    digest: str = Field(description="SHA-256 of all that decides the result")
    reason: str
    author: str
    created_at: datetime | None


class VersionDetail(VersionItem):
    """A version of a project's profile and what it says."""

    model_config = example(
        **VERSION, **{name: DETAIL[name] for name in ("content", "profile", "warnings")}, problems=[]
    )
    content: str = Field(description="YAML, as it was given")
    profile: dict[str, Any] | None = Field(description="as JSON, its base worked in; null: this engine cannot read it")
    warnings: list[str]
    problems: list[Fault] = Field(description="why it cannot be read, and no study is de-identified by it")


@router.get(
    "/projects/{name}/profile",
    summary="What a project's studies are de-identified by",
    responses=documented("unknown-project") | SHOWN,
)
async def show_project_profile(context: Ctx, name: ProjectName, shown: Shown) -> VersionDetail:
    """The latest version of its own, or the built-in one. The ETag is what replacing it takes."""
    async with context.database.reading() as session:
        found = await current(session, await get_project(session, name))
    return shown(version_detail(found), tag=found.etag)


@router.put(
    "/projects/{name}/profile",
    summary="Give a project the next version of its profile",
    status_code=201,
    responses=documented(
        "unknown-project", "project-closed", "profile-changed", "invalid-request", "invalid-profile", "version-required"
    ),
)
async def replace_project_profile(
    context: Ctx, who: Who, name: ProjectName, wish: NewVersion, edit: Edit, response: Response
) -> VersionDetail:
    """It holds for what is asked for from now on. Of two who replace the same version one is told to look again."""
    async with context.database.session() as session:
        project = await get_project(session, name)
        made = await store_next(session, project, edit.if_match, wish.content, wish.reason, who.name)
    log.info("profile replaced", project=name, version=str(made.version))
    response.headers["Location"] = f"/api/v1/projects/{name}/profile/versions/{made.version}"
    return edit.made(version_detail(made), tag=made.etag)


@router.get(
    "/projects/{name}/profile/versions",
    summary="The versions of a project's profile, latest first",
    responses=documented("unknown-project"),
)
async def list_versions(context: Ctx, name: ProjectName, limit: Limit = 100, offset: Offset = 0) -> Page[VersionItem]:
    """Those of its own: none for a project that has a built-in profile."""
    mine = ProjectProfile.project == name
    async with context.database.reading() as session:
        await get_project(session, name)
        rows, total = await part(session, ProjectProfile, [mine], [ProjectProfile.version.desc()], limit, offset)
        items = [VersionItem.model_validate(row, from_attributes=True) for row in rows]
    return Page(items=items, total=total)


@router.get(
    "/projects/{name}/profile/versions/{version}",
    summary="One version of a project's profile",
    responses=documented("unknown-project", "unknown-profile"),
)
async def show_version(
    context: Ctx, name: ProjectName, version: Annotated[int, Path(ge=1, le=2**31 - 1)]
) -> VersionDetail:
    """As it was stored."""
    async with context.database.reading() as session:
        await get_project(session, name)
        row = await get_row(session, ProjectProfile, (name, version))
    return version_detail(stored(row))


def version_detail(found: Stored) -> VersionDetail:
    """A version with what it says."""
    own = {field: getattr(found, field) for field in VersionItem.model_fields}
    said = checked(found.content)
    return VersionDetail(
        **own, content=found.content, profile=said.profile, warnings=said.warnings, problems=said.problems
    )
