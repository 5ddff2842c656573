"""What reviewers' marks ask for: the project's profile with a `remove` for every attribute that must go."""

import asyncio
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Response
from pydantic import Field
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from deidentification.profiles import digest, problems, warnings, write_profile
from deidentification.profiles.model import Override, Profile, Remove
from services.api.actor import Who
from services.api.answers import Shape, example
from services.api.etags import Edit
from services.api.needs import Ctx, ProjectName, Prose
from services.api.problems import Problem, documented
from services.api.projects import get_project
from services.api.resources.profiles import DETAIL, Fault, as_json
from services.api.resources.project_profiles import VersionDetail, version_detail
from services.api.stored_profiles import Stored, current, read, store_next
from services.api.told import CHANGE, Change, changes, last_tag
from shared.log import logger
from shared.tables import AttributeMark, Project

router = APIRouter(tags=["attributes"])
log = logger("api")


class Proposal(Shape):
    """A next version of a project's profile."""

    model_config = example(
        replaces=2,
        paths=["(0008,103E)"],
        content=DETAIL["content"],
        profile=DETAIL["profile"],
        digest="5f0c…",
        changes=[CHANGE],
        warnings=[],
        problems=[],
    )
    replaces: int = Field(description="version; 0: a built-in one")
    paths: list[str] = Field(description="marked as must go, and left by the profile of now")
    content: str = Field(description="YAML")
    profile: dict[str, Any]
    digest: str
    changes: list[Change]
    warnings: list[str]
    problems: list[Fault] = Field(description="marks that a profile cannot follow, and why")


class Acceptance(Shape):
    """That it shall be so."""

    model_config = example(reason="attributes marked in May")
    reason: Prose = Field(default="attributes that reviewers marked", max_length=500)


@dataclass(frozen=True)
class Proposed:
    """A profile and the marks that it follows, those that it cannot follow beside them."""

    before: Stored
    old: Profile
    new: Profile
    paths: tuple[str, ...]
    problems: tuple[Fault, ...]


@router.get(
    "/projects/{name}/profile/proposal",
    summary="What the marks of reviewers ask of a project's profile",
    responses=documented("unknown-project", "invalid-profile"),
)
async def show_proposal(context: Ctx, name: ProjectName, response: Response) -> Proposal:
    """With what would change. The ETag is of the profile that it would replace."""
    async with context.database.reading() as session:
        proposed = await _proposed(session, await get_project(session, name))
    response.headers["ETag"] = proposed.before.etag
    return Proposal(
        replaces=proposed.before.version,
        paths=list(proposed.paths),
        content=write_profile(proposed.new),
        profile=as_json(proposed.new),
        digest=digest(proposed.new),
        changes=await asyncio.to_thread(changes, proposed.old, proposed.new, ""),
        warnings=warnings(proposed.new),
        problems=list(proposed.problems),
    )


@router.post(
    "/projects/{name}/profile/proposal/accept",
    summary="Make what is proposed the next version of the profile",
    status_code=201,
    responses=documented(
        "unknown-project", "nothing-proposed", "profile-changed", "invalid-profile", "version-required"
    ),
)
async def accept_proposal(
    context: Ctx, who: Who, name: ProjectName, wish: Acceptance, edit: Edit, response: Response
) -> VersionDetail:
    """It holds for what is asked for from now on; what has been sent stays where it is."""
    async with context.database.session() as session:
        project = await get_project(session, name)
        proposed = await _proposed(session, project)
        if not proposed.paths:
            raise Problem("nothing-proposed")
        content = write_profile(proposed.new)
        made = await store_next(session, project, edit.if_match, content, wish.reason, who.name)
    log.info("profile replaced", project=name, version=str(made.version))
    response.headers["Location"] = f"/api/v1/projects/{name}/profile/versions/{made.version}"
    return edit.made(version_detail(made), tag=made.etag)


async def _proposed(session: AsyncSession, project: Project) -> Proposed:
    before = await current(session, project)
    marks = await session.scalars(
        select(AttributeMark.path)
        .where(AttributeMark.project == project.name, AttributeMark.verdict == "must-go")
        .order_by(AttributeMark.path)
    )
    old = read(before.content)
    new = old if before.version else old.model_copy(update={"name": own_name(old, project.name)})
    paths, faults = [], []
    for path in marks:
        tag = last_tag(path)
        if tag is None or _removes(old, tag):
            continue
        tried, fault = _without(new, tag, path)
        if fault is None:
            new = tried
            paths.append(path)
        else:
            faults.append(fault)
    return Proposed(before, old, new, tuple(paths), tuple(faults))


def own_name(base: Profile, project: str) -> str:
    """What a project's own profile is called that begins as a built-in one."""
    return f"{base.name}-{project}"[:40]


def _removes(profile: Profile, tag: int) -> bool:
    """Whether the profile has a `remove` of its own for an attribute, at every depth."""
    return any(each.tag == tag and each.nested and isinstance(each.action, Remove) for each in profile.attributes)


def _without(profile: Profile, tag: int, path: str) -> tuple[Profile, Fault | None]:
    """The profile that removes an attribute; or why no profile can."""
    others = tuple(each for each in profile.attributes if each.tag != tag)
    tried = profile.model_copy(update={"attributes": (*others, Override(tag=tag, action=Remove()))})
    if found := problems(tried):
        return profile, Fault(where=path, what="; ".join(each.what for each in found))
    return tried, None
