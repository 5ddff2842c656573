"""Profiles by name, from a file, or from a project at the gateway; explained and compared by the library itself."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cli.client import Client, Item, segment
from cli.failure import Code, Failure

if TYPE_CHECKING:
    from deidentification.profiles import Profile


@dataclass(frozen=True)
class Source:
    """A profile, the YAML that says it, and where both come from."""

    label: str
    content: str
    profile: "Profile"


def taken(name: str | None, project: str | None = None, version: int | None = None) -> Source:
    """A built-in profile or a file by name, or a project's; Failure when there is none, or it is not valid."""
    if project is not None:
        path = f"/projects/{segment(project)}/profile" + (f"/versions/{version}" if version else "")
        with Client() as client:
            content = str(client.get(path)["content"])
        return Source(project, content, parsed(project, content))
    from deidentification.profiles import BUILT_IN, write_profile

    if name in BUILT_IN:
        return Source(str(name), write_profile(BUILT_IN[str(name)]), BUILT_IN[str(name)])
    path_given = Path(str(name))
    if not path_given.is_file():
        raise Failure(f"{name} is neither a file nor one of {', '.join(sorted(BUILT_IN))}", Code.NOT_FOUND)
    content = text(path_given)
    return Source(str(name), content, parsed(str(name), content))


def text(file: Path) -> str:
    """What stands in a file; Failure when it is no text."""
    try:
        return file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Failure(f"{file} is not a text: {error}") from error


def parsed(label: str, content: str) -> "Profile":
    """The profile that the YAML declares; Failure with everything that is wrong with it."""
    from deidentification.profiles import ProfileError, read_profile

    try:
        return read_profile(content)
    except ProfileError as error:
        raise Failure(f"{label} is not valid: {error}") from error


def explained(profile: "Profile", attribute: str, sop_class: str) -> Item:
    """What becomes of an attribute, as REST says it."""
    from deidentification.profiles import explain

    tag = tag_of(attribute)
    found = explain(profile, tag, sop_class)
    return {
        "attribute": found.keyword,
        "tag": written(tag),
        "vr": found.vr,
        "sentence": found.sentence,
        "row": found.row,
        "top": {
            "act": found.act.name.lower(),
            "code": found.code,
            "source": found.source,
            "type": found.type,
        },
        "nested": {
            "act": found.nested_act.name.lower(),
            "code": found.nested_code,
            "source": found.nested_source,
            "type": found.nested_type,
        },
    }


def compared(old: "Profile", new: "Profile", sop_class: str) -> list[Item]:
    """What changes from one profile to another, as REST says it."""
    from deidentification.profiles import diff

    return [
        {
            "attribute": each.keyword,
            "tag": None if each.tag is None else written(each.tag),
            "before": each.before,
            "after": each.after,
        }
        for each in diff(old, new, sop_class)
    ]


def tag_of(attribute: str) -> int:
    """The tag of a keyword, (gggg,eeee) or gggg,eeee."""
    from deidentification.standard.dictionary import TAGS

    if attribute in TAGS:
        return TAGS[attribute]
    digits = attribute.strip("()").replace(",", "").replace(" ", "")
    if "," in attribute and len(digits) == 8:
        try:
            return int(digits, 16)
        except ValueError:
            pass
    raise Failure(f"{attribute} is neither a keyword of the data dictionary nor (gggg,eeee)", Code.USAGE)


def written(tag: int) -> str:
    """(gggg,eeee)."""
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"
