"""Profiles: what a data manager writes, checked and compiled to one rule per attribute."""

from collections.abc import Mapping
from typing import Final

from deidentification.profiles.compiled import digest, explain, profile_codes, profile_method
from deidentification.profiles.model import Profile
from deidentification.standard.tables import Option

BASIC: Final = Profile(name="basic", version="1", options=frozenset((Option.MODIFIED_DATES,)))
BUILT_IN: Final[Mapping[str, Profile]] = {BASIC.name: BASIC}

__all__ = ["BASIC", "BUILT_IN", "Profile", "digest", "explain", "profile_codes", "profile_method"]
