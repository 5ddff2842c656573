"""A project's profile: the latest version of its own, or a built-in one; versions are added, never changed."""

from dataclasses import dataclass, fields
from datetime import datetime
from functools import lru_cache

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from deidentification.profiles import BUILT_IN, Profile, ProfileError, digest, read_profile, write_profile
from services.api.etags import demand
from services.api.problems import FieldError, Problem
from services.api.projects import check_open
from shared.database import insert_new, lock
from shared.tables import Project, ProjectProfile
from shared.tables.base import now


@dataclass(frozen=True)
class Stored:
    """A profile that a project has, or had; version 0 is a built-in one."""

    project: str
    version: int
    name: str
    content: str
    digest: str
    reason: str = ""
    author: str = ""
    created_at: datetime | None = None

    @property
    def etag(self) -> str:
        """What If-Match has to say to replace it."""
        return f'"{self.version or self.name}"'


@lru_cache(maxsize=128)
def built_in(name: str) -> tuple[Profile, str, str]:
    """A built-in profile, its YAML and its digest; a problem when there is none of the name."""
    if (profile := BUILT_IN.get(name)) is None:
        raise Problem("unknown-profile", f"there are: {', '.join(BUILT_IN)}")
    return profile, write_profile(profile), digest(profile)


def read(content: str, place: str = "content") -> Profile:
    """A profile from YAML; a problem with all that is wrong with it."""
    try:
        return read_profile(content)
    except ProfileError as error:
        faults = [FieldError(loc=["body", place, each.where], msg=each.what, type="profile") for each in error.problems]
        raise Problem("invalid-profile", errors=faults) from None


async def current(session: AsyncSession, project: Project) -> Stored:
    """What transfers are de-identified by from now on."""
    mine = select(ProjectProfile).where(ProjectProfile.project == project.name)
    row = await session.scalar(mine.order_by(ProjectProfile.version.desc()).limit(1))
    if row is not None:
        return stored(row)
    profile, content, of_all = built_in(project.profile)
    return Stored(project.name, 0, profile.name, content, of_all)


def stored(row: ProjectProfile) -> Stored:
    """A version as it was stored, whether this engine can still read it or not."""
    return Stored(**{each.name: getattr(row, each.name) for each in fields(Stored)})


async def store_next(
    session: AsyncSession, project: Project, if_match: str | None, content: str, reason: str, author: str
) -> Stored:
    """The next version, instead of the one that If-Match names; a problem when another is there by now."""
    check_open(project)
    await lock(session, "profile", project.name)
    before = await current(session, project)
    demand(if_match, before.etag, "profile-changed", f"it is at version {before.version} now")
    profile = read(content)
    values = {
        "project": project.name,
        "version": before.version + 1,
        "name": profile.name,
        "content": content,
        "digest": digest(profile),
        "reason": reason,
        "author": author,
        "created_at": now(),
    }
    if not await insert_new(session, ProjectProfile, [values]):
        raise Problem("profile-changed")
    return stored(ProjectProfile(**values))
