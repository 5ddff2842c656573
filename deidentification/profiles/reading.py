"""Reading a profile: YAML with a base worked in, and every fault named by its place."""

import re
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from typing import Any, Final

from pydantic import ValidationError

from deidentification.profiles.checking import problems, written_tag
from deidentification.profiles.model import Profile
from deidentification.profiles.problems import Problem, ProfileError
from deidentification.profiles.source import loaded
from deidentification.standard.dictionary import TAGS
from deidentification.standard.tables import Option

TAG: Final = re.compile(r"\(?([0-9A-Fa-f]{4}),\s*([0-9A-Fa-f]{4})\)?")
PLAIN: Final = frozenset(("keep", "remove", "empty", "clean", "hash"))
# How an action with an argument is written -> (its name in the model, the argument's).
ARGUMENTS: Final = {"replace": "value", "regex": "pattern", "hash": "of"}
ACTIONS: Final = "keep, remove, empty, clean, hash, {replace: text}, {regex: expression} or {hash: StudyInstanceUID}"
ADDED: Final = frozenset(("base", "without"))


WORDS: Final = {"name": "1 to 40", "version": "1 to 16"}
FIRST_PRIVATE_GROUP: Final = 0x0009
Read = Callable[[str, dict[str, Any]], dict[str, Any]]


class _Reader:
    """One reading: faults are collected, so that a data manager sees them all at once."""

    def __init__(self, bases: Mapping[str, Profile]) -> None:
        self.bases = bases
        self.faults: list[Problem] = []

    def fault(self, where: str, what: str) -> None:
        self.faults.append(Problem(where, what))

    def profile(self, text: str) -> Profile:
        content = loaded(text)
        for word in content.keys() - Profile.model_fields.keys() - ADDED:
            self.fault(word, "unknown" + _similar(word, [*Profile.model_fields, *ADDED]))
        base = self._base(content)
        wish = {
            **base,
            **{key: value for key, value in content.items() if key in Profile.model_fields and value is not None},
            "options": self._options(content, base),
            "attributes": self._attributes(content, base),
            "private": [*base.get("private", ()), *self._entries(content, "private", self._private)],
        }
        for place in ("drop", "only"):
            if place in content:
                wish[place] = self._entries(content, place, self._selector)
        for place in ("pixels", "documents", "dates"):
            wish[place] = {**base.get(place, {}), **self._mapping(content, place)}
        for place in ("also", "exempt"):
            if place in self._mapping(content, "pixels"):
                wish["pixels"][place] = self._entries(content["pixels"], place, self._selector, "pixels.")
        profile = self._validated(wish)
        self.faults += () if profile is None else problems(profile)
        if profile is None or self.faults:
            raise ProfileError(dict.fromkeys(self.faults))
        return profile

    def _validated(self, wish: dict[str, Any]) -> Profile | None:
        try:
            return Profile.model_validate(wish)
        except ValidationError as wrong:
            for entry in wrong.errors(include_url=False, include_input=False, include_context=False):
                where = _place(entry["loc"], wish)
                length = WORDS.get(where)
                self.fault(where, f"must be {length} letters, digits, dots, dashes or _" if length else entry["msg"])
            return None

    def _base(self, content: dict[str, Any]) -> dict[str, Any]:
        name = content.get("base")
        if name is None:
            return {}
        if name not in self.bases:
            self.fault("base", f"no such profile: {name} (there are {', '.join(sorted(self.bases))})")
            return {}
        inherited = self.bases[name].model_dump()
        return {key: value for key, value in inherited.items() if key not in ("name", "version", "description")}

    def _options(self, content: dict[str, Any], base: dict[str, Any]) -> set[str]:
        options = {str(option) for option in base.get("options", ())}
        for place, change in (("options", options.update), ("without", options.difference_update)):
            words = [str(word) for word in self._list(content, place, place)]
            for index, word in enumerate(words):
                if word not in tuple(Option):
                    self.fault(f"{place}[{index}]", f"{word} is no option of PS3.15{_similar(word, list(Option))}")
            change(word for word in words if word in tuple(Option))
        return options

    def _attributes(self, content: dict[str, Any], base: dict[str, Any]) -> list[dict[str, Any]]:
        """The base's overrides, then the project's own; of the same attribute the project's counts."""
        found = {override["tag"]: override for override in base.get("attributes", ())}
        own: dict[int, str] = {}
        for name, wish in self._mapping(content, "attributes").items():
            where = f"attributes.{name}"
            tag, action = self._tag(where, name), self._action(where, wish)
            if tag is None or action is None:
                continue
            if tag in own:
                self.fault(where, f"the same attribute as {own[tag]}")
            own[tag] = name
            found[tag] = {"tag": tag, **action}
        return list(found.values())

    def _action(self, where: str, wish: Any) -> dict[str, Any] | None:
        if isinstance(wish, str) and wish in PLAIN:
            return {"action": {"action": wish}}
        if isinstance(wish, dict):
            rest = {key: value for key, value in wish.items() if key != "nested"}
            nested = {"nested": wish["nested"]} if "nested" in wish else {}
            if len(rest) == 1:
                (word, argument), *_ = rest.items()
                if word == "action" and argument in PLAIN:
                    return {"action": {"action": argument}, **nested}
                if word in ARGUMENTS and isinstance(argument, str):
                    value = self._tag(where, argument) if word == "hash" else argument
                    return None if value is None else {"action": {"action": word, ARGUMENTS[word]: value}, **nested}
        self.fault(where, f"must be {ACTIONS}")
        return None

    def _private(self, where: str, entry: dict[str, Any]) -> dict[str, Any]:
        read = dict(entry)
        for key, digits in (("group", 4), ("element", 2)):
            if key in read and read[key] is not None:
                text = str(read[key])
                if re.fullmatch(rf"[0-9A-Fa-f]{{1,{digits}}}", text):
                    read[key] = int(text, 16)
                else:
                    self.fault(f"{where}.{key}", f"must be up to {digits} hexadecimal digits")
                    read[key] = FIRST_PRIVATE_GROUP if key == "group" else None
        return read

    def _selector(self, where: str, entry: dict[str, Any]) -> dict[str, Any]:
        if isinstance(entry.get("attribute"), str):
            return {**entry, "attribute": self._tag(f"{where}.attribute", entry["attribute"])}
        return entry

    def _tag(self, where: str, name: str) -> int | None:
        match = TAG.fullmatch(name)
        if match:
            return int(match[1] + match[2], 16)
        if name not in TAGS:
            self.fault(where, f"{name} is neither a DICOM keyword nor (gggg,eeee){_similar(name, TAGS)}")
        return TAGS.get(name)

    def _entries(self, content: dict[str, Any], place: str, read: Read, prefix: str = "") -> list[dict[str, Any]]:
        found = []
        for index, entry in enumerate(self._list(content, place, prefix + place)):
            if isinstance(entry, dict):
                found.append(read(f"{prefix}{place}[{index}]", entry))
            else:
                self.fault(f"{prefix}{place}[{index}]", "must be a mapping")
        return found

    def _list(self, content: dict[str, Any], key: str, where: str) -> list[Any]:
        value = content.get(key)
        if value is None or isinstance(value, list):
            return value or []
        self.fault(where, "must be a list")
        return []

    def _mapping(self, content: dict[str, Any], key: str) -> dict[str, Any]:
        value = content.get(key)
        if value is None or isinstance(value, dict):
            return value or {}
        self.fault(key, "must be a mapping")
        return {}


def _similar(word: str, words: Iterable[str]) -> str:
    near = get_close_matches(word, words, 1)
    return f"; did you mean {near[0]}?" if near else ""


def _place(steps: tuple[int | str, ...], wish: dict[str, Any]) -> str:
    """'drop[0].modality' for pydantic's steps; an attribute by its name rather than its place."""
    if len(steps) > 1 and steps[0] == "attributes" and isinstance(steps[1], int):
        return f"attributes.{written_tag(wish['attributes'][steps[1]]['tag'])}"
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)
    return text.lstrip(".") or "profile"


def read(text: str, bases: Mapping[str, Profile]) -> Profile:
    """The profile that the YAML text declares, `base` being one of `bases`. Raises ProfileError with every fault."""
    return _Reader(bases).profile(text)
