"""Profiles by themselves: the built-in ones, and what one that somebody writes would do, before any project has it."""

import asyncio
from typing import Annotated, Any, Self

import yaml
from fastapi import APIRouter
from pydantic import Field, model_validator
from sqlalchemy.ext.asyncio import AsyncSession

from deidentification.profiles import BUILT_IN, Profile, ProfileError, digest, read_profile, warnings, write_profile
from services.api.actor import Actor, Who
from services.api.answers import Page, Shape, example
from services.api.judging import sees
from services.api.needs import Ctx, Limit, Offset, ProjectName, Uid
from services.api.problems import Problem, documented
from services.api.projects import get_project
from services.api.rows import get_row
from services.api.sight import within
from services.api.stored_profiles import built_in, current, read
from services.api.told import Change, Told, changes, told
from shared.tables import ProjectProfile

router = APIRouter(tags=["profiles"])

Yaml = Annotated[str, Field(min_length=1, max_length=256 * 1024, description="YAML")]
ProfileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.\-]{0,39}$")]

ITEM: dict[str, Any] = {
    "name": "basic",
    "version": "1",
    "description": "PS3.15 Basic Profile",
    "options": ["retain-longitudinal-modified-dates"],
    "digest": "5f0c…",
}
DETAIL: dict[str, Any] = ITEM | {
    "content": "name: ABCD-study\nbase: basic\nattributes:\n  SeriesDescription: remove\n",
    "profile": {"name": "ABCD-study", "attributes": {"SeriesDescription": "remove"}},
    "warnings": [],
}


class ProfileItem(Shape):
    """A profile."""

    model_config = example(**ITEM)
    name: str
    version: str
    description: str
    options: list[str] = Field(description="of PS3.15 E.3")
    digest: str = Field(description="SHA-256 of all that decides the result")


class ProfileDetail(ProfileItem):
    """A profile and what it says."""

    model_config = example(**DETAIL)
    content: str = Field(description="YAML")
    profile: dict[str, Any] = Field(description="the same as JSON")
    warnings: list[str] = Field(description="what clashes, how that is resolved, and what it means")


class Fault(Shape):
    """One thing that is wrong with a profile."""

    model_config = example(where="attributes.SeriesDescription", what="there is no such action")
    where: str
    what: str


class ProfileContent(Shape):
    """A profile as somebody has written it."""

    model_config = example(content=DETAIL["content"])
    content: Yaml


class Checked(Shape):
    """Whether a profile can be applied, and what to know before it is."""

    model_config = example(valid=True, problems=[], **DETAIL)
    valid: bool
    problems: list[Fault] = Field(description="all of them")
    name: str | None
    version: str | None
    description: str | None
    options: list[str]
    digest: str | None
    content: str | None = Field(description="the same profile as canonical YAML, its base worked in")
    profile: dict[str, Any] | None
    warnings: list[str]


class Which(Shape):
    """A profile: a built-in one, a project's (of now, or a version of it), or one that is given."""

    model_config = example(project="ABCD-study", version=2)
    name: ProfileName | None = None
    project: ProjectName | None = None
    version: int | None = Field(default=None, ge=1, le=2**31 - 1, description="of the project's; the latest if null")
    content: Yaml | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if sum(each is not None for each in (self.name, self.project, self.content)) != 1:
            raise ValueError("one of: name, project, content")
        if self.version is not None and self.project is None:
            raise ValueError("a version is of a project")
        return self


class Question(Shape):
    """What happens to an attribute?"""

    model_config = example(profile={"name": "basic"}, attribute="SeriesDescription", sop_class=None)
    profile: Which
    attribute: str = Field(min_length=1, max_length=64, description="keyword, (gggg,eeee) or gggg,eeee")
    sop_class: Uid | None = Field(default=None, description="in objects of this class; without one, in any")


class Comparison(Shape):
    """What changes from one profile to another?"""

    model_config = example(old={"name": "basic"}, new={"project": "ABCD-study"})
    old: Which
    new: Which
    sop_class: Uid | None = None


@router.get("/profiles", summary="The built-in profiles")
async def list_profiles(limit: Limit = 100, offset: Offset = 0) -> Page[ProfileItem]:
    """By name; a project may be made with any of them."""
    items = [ProfileItem(**_item(built_in(name)[0]), digest=built_in(name)[2]) for name in sorted(BUILT_IN)]
    return Page(items=items[offset : offset + limit], total=len(items))


@router.get("/profiles/{name}", summary="One built-in profile", responses=documented("unknown-profile"))
async def show_profile(name: ProfileName) -> ProfileDetail:
    """To be taken as the base of a project's own."""
    profile, content, of_all = built_in(name)
    return ProfileDetail(
        **_item(profile), digest=of_all, content=content, profile=as_json(profile), warnings=warnings(profile)
    )


@router.post("/profiles/check", summary="Whether a profile can be applied")
async def check_profile(wish: ProfileContent) -> Checked:
    """With every problem, where it is and what it is; nothing is stored."""
    return await asyncio.to_thread(checked, wish.content)


@router.post(
    "/profiles/explain",
    summary="What a profile does to an attribute",
    responses=documented("unknown-profile", "unknown-project", "invalid-profile"),
)
async def explain_attribute(context: Ctx, who: Who, question: Question) -> Told:
    """And by which row of the standard, rule of the profile, or reviewed list."""
    async with context.database.reading() as session:
        profile = await chosen(session, who, question.profile, "profile")
    return await asyncio.to_thread(told, profile, question.attribute, question.sop_class or "")


@router.post(
    "/profiles/diff",
    summary="What changes from one profile to another",
    responses=documented("unknown-profile", "unknown-project", "invalid-profile"),
)
async def compare_profiles(
    context: Ctx, who: Who, comparison: Comparison, limit: Limit = 100, offset: Offset = 0
) -> Page[Change]:
    """Attribute by attribute, and policy by policy."""
    async with context.database.reading() as session:
        old = await chosen(session, who, comparison.old, "old")
        new = await chosen(session, who, comparison.new, "new")
    found = await asyncio.to_thread(changes, old, new, comparison.sop_class or "")
    return Page(items=found[offset : offset + limit], total=len(found))


async def chosen(session: AsyncSession, who: Actor, which: Which, place: str) -> Profile:
    """The profile that is meant; a problem when there is none, or it is not valid."""
    if which.name is not None:
        return built_in(which.name)[0]
    if which.content is not None:
        return read(which.content, place)
    project = await get_project(session, which.project or "")
    if not within(project.name, sees("show_project_profile", who)):
        raise Problem("unknown-project")
    if which.version is None:
        return read((await current(session, project)).content, place)
    row = await get_row(session, ProjectProfile, (project.name, which.version))
    return read(row.content, place)


def checked(content: str) -> Checked:
    """What there is to say of a profile."""
    try:
        profile = read_profile(content)
    except ProfileError as error:
        faults = [Fault(where=each.where, what=each.what) for each in error.problems]
        nothing = dict.fromkeys(("name", "version", "description", "digest", "content", "profile"))
        return Checked(valid=False, problems=faults, options=[], warnings=[], **nothing)
    return Checked(
        valid=True,
        problems=[],
        **_item(profile),
        digest=digest(profile),
        content=write_profile(profile),
        profile=as_json(profile),
        warnings=warnings(profile),
    )


def as_json(profile: Profile) -> dict[str, Any]:
    """A profile as the YAML says it, as JSON."""
    said: dict[str, Any] = yaml.safe_load(write_profile(profile))
    return said


def _item(profile: Profile) -> dict[str, Any]:
    own = {name: getattr(profile, name) for name in ("name", "version", "description")}
    return own | {"options": sorted(option.value for option in profile.options)}
