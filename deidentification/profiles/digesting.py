"""The digest of a profile: two profiles with the same one do the same to every object."""

import hashlib
import json
import re
from functools import lru_cache
from importlib.resources import files
from typing import Final

from deidentification.profiles.applied import applied
from deidentification.profiles.model import Profile
from deidentification.profiles.rules import Rule
from deidentification.standard import tables

ENGINE_VERSION: Final = "2"
TABLES: Final = ("types.json", "body_parts.json")


@lru_cache(maxsize=64)
def digest(profile: Profile) -> str:
    """SHA-256 (hex) over engine, edition, tables, name and version, every rule and every policy.

    The name and version are in it because they are written to the result; the description is not.
    """
    found = applied(profile)
    policies = profile.model_dump(mode="json", exclude={"options", "attributes", "description"})
    content = {
        "engine": ENGINE_VERSION,
        "edition": tables.edition(),
        "types": _types(),
        "options": sorted(profile.options),
        "rules": {f"{tag:08X}": _written(rule) for tag, rule in sorted(found.rules.items())},
        "nested": {f"{tag:08X}": _written(rule) for tag, rule in sorted(found.nested.items())},
        "policies": policies,
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _written(rule: Rule) -> list[str | int]:
    argument = rule.argument.pattern if isinstance(rule.argument, re.Pattern) else str(rule.argument)
    return [int(rule.act), rule.code, rule.source, int(rule.otherwise), argument, rule.default]


@lru_cache(maxsize=1)
def _types() -> str:
    data = files("deidentification.standard") / "data"
    return hashlib.sha256(b"".join((data / name).read_bytes() for name in TABLES)).hexdigest()
