"""Which profile a transfer is de-identified by: a built-in one, or a version that the project has stored."""

from dataclasses import dataclass
from functools import lru_cache

from sqlalchemy.ext.asyncio import AsyncSession

from deidentification.profiles import BUILT_IN, Profile, ProfileError, digest, read_profile
from shared.events import TransferRequested
from shared.tables import ProjectProfile


class NoProfile(Exception):
    """There is no profile to work by; the text is free of PHI."""


@dataclass(frozen=True)
class Chosen:
    """A profile, the version by which people know it, and the digest of all in it that decides a result."""

    profile: Profile
    version: str
    digest: str


async def chosen(session: AsyncSession, event: TransferRequested) -> Chosen:
    """The profile that a transfer was asked for with; NoProfile when it is not there or cannot be read."""
    if event.profile_version == 0:
        return _built_in(event.profile)
    stored = await session.get(ProjectProfile, (event.project, event.profile_version))
    if stored is None:
        raise NoProfile(f"the project has no version {event.profile_version} of its profile")
    try:
        profile, of_all = _read(stored.content)
    except ProfileError as error:
        raise NoProfile(
            f"version {event.profile_version} of the project's profile cannot be read: {len(error.problems)} problems"
        ) from None
    return Chosen(profile, str(event.profile_version), of_all)


def _built_in(name: str) -> Chosen:
    if (profile := BUILT_IN.get(name)) is None:
        raise NoProfile("there is no such profile")
    return Chosen(profile, profile.version, _digest(profile))


@lru_cache(maxsize=64)
def _read(content: str) -> tuple[Profile, str]:
    profile = read_profile(content)
    return profile, digest(profile)


_digest = lru_cache(maxsize=64)(digest)
