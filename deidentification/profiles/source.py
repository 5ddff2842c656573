"""The YAML that profiles are written in: plain data, every scalar a string, nothing clever.

YAML reads NO as false, 0010 as eight and 1.10 as 1.1; a profile is full of such words. Here a scalar is what stands
there. Anchors, tags and keys that stand twice are errors, as is more text or depth than a profile can need.
"""

from typing import Any, Final

import yaml
from yaml.composer import ComposerError
from yaml.constructor import ConstructorError

from deidentification.profiles.problems import Problem, ProfileError

LARGEST: Final = 256 * 1024
DEEPEST: Final = 12
NULLS: Final = frozenset(("", "~", "null"))


class _Loader(yaml.SafeLoader):
    """safe_load with strings only, and without anchors."""

    depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise ComposerError(None, None, "anchors and aliases are not used in profiles", event.start_mark)
        if getattr(event, "tag", None) not in (None, "!"):
            raise ComposerError(None, None, "tags (!) are not used in profiles", event.start_mark)
        self.depth += 1
        if self.depth > DEEPEST:
            raise ComposerError(None, None, f"nested more than {DEEPEST} deep", event.start_mark)
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


def _scalar(loader: _Loader, node: yaml.ScalarNode) -> str | None:
    return None if node.style is None and node.value in NULLS else str(node.value)


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key_node, value_node in node.value:
        if not isinstance(key_node, yaml.ScalarNode):
            raise ConstructorError(None, None, "a name must be a plain word", key_node.start_mark)
        if key_node.value in found:
            raise ConstructorError(None, None, f"{key_node.value} stands here twice", key_node.start_mark)
        found[key_node.value] = loader.construct_object(value_node, deep=True)
    return found


_Loader.yaml_implicit_resolvers = {}
_Loader.add_constructor("tag:yaml.org,2002:str", _scalar)
_Loader.add_constructor("tag:yaml.org,2002:map", _mapping)


def loaded(text: str) -> dict[str, Any]:
    """The mapping that the text holds. Raises ProfileError with the line of what is wrong."""
    if len(text.encode("utf-8", "surrogatepass")) > LARGEST:
        raise ProfileError([Problem("profile", f"larger than {LARGEST // 1024} KiB")])
    try:
        content = yaml.load(text, Loader=_Loader)  # noqa: S506  a SafeLoader, and stricter
    except yaml.MarkedYAMLError as wrong:
        mark = wrong.problem_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "profile"
        raise ProfileError([Problem(where, wrong.problem or "not YAML")]) from None
    except yaml.YAMLError:
        raise ProfileError([Problem("profile", "not YAML: a character that is not allowed")]) from None
    except RecursionError:
        raise ProfileError([Problem("profile", "nested too deeply")]) from None
    if not isinstance(content, dict):
        raise ProfileError([Problem("profile", "must be a mapping: name, base, options, …")])
    return content
