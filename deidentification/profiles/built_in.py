"""The profiles that come along, as YAML files beside this module."""

from collections.abc import Mapping
from importlib.resources import files
from types import MappingProxyType
from typing import Final

from deidentification.profiles.model import Profile
from deidentification.profiles.reading import read

NAMES: Final = ("basic", "fiona")


def _loaded() -> Mapping[str, Profile]:
    found: dict[str, Profile] = {}
    for name in NAMES:
        found[name] = read((files(__package__) / f"{name}.yaml").read_text(encoding="utf-8"), found)
    return MappingProxyType(found)


BUILT_IN: Final = _loaded()
BASIC: Final = BUILT_IN["basic"]
FIONA: Final = BUILT_IN["fiona"]


def read_profile(text: str) -> Profile:
    """The profile that the YAML text declares; `base` may name a built-in one. Raises ProfileError with every fault."""
    return read(text, BUILT_IN)
