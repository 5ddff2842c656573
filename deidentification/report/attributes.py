"""The attributes that stand in the results, each with the rule by which it does."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from typing import Any, Final

from deidentification.dataset import carriers
from deidentification.profiles import Profile, explain
from deidentification.review import KeptRow

INSERTED: Final = frozenset(
    (
        *carriers.CARRIERS, *carriers.COMPANIONS, carriers.PATIENT_IDENTITY_REMOVED, carriers.METHOD,
        carriers.METHOD_CODES, carriers.DATES_MODIFIED,
    )
)  # fmt: skip


@dataclass(frozen=True)
class Attribute:
    """One attribute, nested ones by their path: how often it stands there, with how many values, and why.

    `distinct` and `values` do not count what is only counted (UIDs, bulk, beyond the first hundred): `unseen` does.
    """

    path: str
    keyword: str
    vr: str
    count: int
    distinct: int
    unseen: int
    code: str
    reason: str
    values: tuple[tuple[str, int], ...]

    def as_dict(self, with_values: bool) -> dict[str, Any]:
        """For JSON; values only when they are asked for."""
        content = {name: getattr(self, name) for name in ("path", "keyword", "vr", "count", "distinct", "unseen")}
        content |= {"code": self.code, "reason": self.reason}
        return content | {"values": dict(self.values)} if with_values else content


def attributes(rows: Iterable[KeptRow], profile: Profile) -> list[Attribute]:
    """The rows of one attribute together, in the rows' order."""
    found = []
    for (path, keyword, vr), group in groupby(rows, lambda row: (row.path, row.keyword, row.vr)):
        listed = list(group)
        values = tuple((row.value, row.count) for row in listed if row.value is not None)
        unseen = sum(row.count for row in listed if row.value is None)
        count = unseen + sum(row.count for row in listed if row.value is not None)
        code, reason = why(path, profile)
        found.append(Attribute(path, keyword, vr, count, len(values), unseen, code, reason, values))
    return found


@lru_cache(maxsize=8192)
def why(path: str, profile: Profile) -> tuple[str, str]:
    """The action code under which an attribute stands in a result, and the rule in words."""
    outermost, innermost = (int(part[1:5] + part[6:10], 16) for part in (path, path[-11:]))
    if outermost in INSERTED:
        return "D", "set anew: the new identity, or how it was made"
    if innermost >> 16 & 1:
        return "C", "private: on the Standard's safe list, or kept by the profile"
    explanation = explain(profile, innermost)
    return (explanation.nested_code if ">" in path else explanation.code), explanation.sentence
