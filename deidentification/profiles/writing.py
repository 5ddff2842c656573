"""Writing a profile: canonical YAML, whole (without a base), that reads back to an equal profile."""

from typing import Any

import yaml

from deidentification.profiles.checking import written_tag
from deidentification.profiles.model import Groups, Hash, Override, PrivateElement, Profile, Replace, Selector


def write_profile(profile: Profile) -> str:
    """The profile as YAML; what has its default is left out."""
    content: dict[str, Any] = {"name": profile.name, "version": profile.version}
    if profile.description:
        content["description"] = profile.description
    content |= {
        "options": sorted(str(option) for option in profile.options),
        "attributes": {written_tag(override.tag): _action(override) for override in profile.attributes},
        "private": [_private(entry) for entry in profile.private],
        "drop": [_selector(selector) for selector in profile.drop],
        "only": [_selector(selector) for selector in profile.only],
        "pixels": _pixels(profile),
        "documents": profile.documents.model_dump(exclude_defaults=True),
        "dates": profile.dates.model_dump(exclude_defaults=True),
    }
    if profile.uids != "keyed":
        content["uids"] = profile.uids
    written = {key: value for key, value in content.items() if value not in ([], {})}
    return yaml.safe_dump(written, sort_keys=False, allow_unicode=True, width=100)


def _action(override: Override) -> str | dict[str, Any]:
    action = override.action
    match action:
        case Replace():
            wish: dict[str, Any] = {"replace": action.value}
        case Groups():
            wish = {"regex": action.pattern}
        case Hash() if action.of is not None:
            wish = {"hash": written_tag(action.of)}
        case _:
            wish = {"action": action.action}
    if not override.nested:
        return {**wish, "nested": False}
    return action.action if "action" in wish else wish


def _private(entry: PrivateElement) -> dict[str, Any]:
    wish = entry.model_dump(exclude_none=True)
    wish["group"] = f"{entry.group:04X}"
    if entry.element is not None:
        wish["element"] = f"{entry.element:02X}"
    return wish


def _selector(selector: Selector) -> dict[str, Any]:
    wish = selector.model_dump(exclude_none=True)
    if selector.attribute is not None:
        wish["attribute"] = written_tag(selector.attribute)
    return wish


def _pixels(profile: Profile) -> dict[str, Any]:
    wish = profile.pixels.model_dump(mode="json", exclude_defaults=True)
    for place in ("also", "exempt"):
        if place in wish:
            wish[place] = [_selector(selector) for selector in getattr(profile.pixels, place)]
    return wish
