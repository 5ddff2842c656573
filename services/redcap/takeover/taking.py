"""What is taken over from a table in REDCap: it adds, and follows its own changes; what people decide here stands."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

Digest = Callable[[Any], str]


@dataclass(frozen=True)
class Merged:
    """What is to be different here, and the fields in which people here have decided otherwise."""

    change: dict[str, Any] = field(default_factory=dict)
    differs: list[str] = field(default_factory=list)


def merged(
    there: Mapping[str, Any],
    here: Mapping[str, Any],
    taken: Mapping[str, str],
    digest: Digest,
    wins: Collection[str] = (),
) -> Merged:
    """Field by field. A value here that is still the one once taken is nobody's decision, and follows REDCap.

    In the fields of `wins` REDCap overrules whatever stands here. What REDCap does not name stays.
    """
    result = Merged()
    for name, value in there.items():
        has = here.get(name)
        if has == value:
            continue
        if name in wins or taken.get(name) == digest(has):
            result.change[name] = value
        else:
            result.differs.append(name)
    return result


def digests(values: Mapping[str, Any], digest: Digest) -> dict[str, str]:
    """What is kept of values that were taken."""
    return {name: digest(value) for name, value in values.items()}
