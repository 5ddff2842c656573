"""Where gateway and REDCap differ: what one has and the other has not, counts and states that are not the same."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from services.redcap.writing.instances import Keys, Numbers, Place
from services.redcap.writing.lines import Line

GATEWAY, REDCAP, BOTH = "gateway", "redcap", "both"
"""Only here, only there, or there otherwise."""


@dataclass(frozen=True)
class Difference:
    """One; never a value. `kind` and `subject` are what would have to be owed to mend it."""

    kind: str
    subject: str
    side: str
    what: str


@dataclass(frozen=True)
class Expected:
    """A line that should stand there, for which debt, and the columns that are compared beside its keys."""

    kind: str
    subject: str
    line: Line
    columns: Mapping[str, str]
    checked: Collection[str] = ()

    @property
    def keys(self) -> dict[str, str]:
        """What its instance is known by."""
        return {name: self.columns.get(name, "") for name in self.line.keys}


def of_instances(
    kinds: Mapping[str, str],
    expected: Sequence[Expected],
    ours: Mapping[Place, Mapping[str, int]],
    there: Mapping[Place, Mapping[int, Keys]],
) -> list[Difference]:
    """Of repeating instruments (`kinds`: instrument to kind), for some records: both ways."""
    found: list[Difference] = []
    met: set[tuple[Place, int]] = set()
    done: set[tuple[Place, str]] = set()
    for each in expected:
        place = each.line.place
        if (place, each.line.subject) in done:
            continue
        done.add((place, each.line.subject))
        number = Numbers(ours.get(place, {}), there.get(place, {})).found(each.line.subject, each.keys)
        if number is None:
            found.append(Difference(each.kind, each.subject, GATEWAY, f"not in {each.line.instrument} there"))
            continue
        met.add((place, number))
        has = there[place][number]
        if other := [name for name in each.checked if name in each.columns and has.get(name) != each.columns[name]]:
            found.append(Difference(each.kind, each.subject, BOTH, f"{', '.join(other)} differs"))
    for place, instances in there.items():
        record, _, instrument = place
        known = {number: subject for subject, number in ours.get(place, {}).items()}
        for number in sorted(instances):
            if instrument in kinds and (place, number) not in met:
                what = f"instance {number} of {instrument} in record {record}: not known here"
                found.append(Difference(kinds[instrument], known.get(number, record), REDCAP, what[:300]))
    return found


def of_records(kind: str, here: Collection[str], there: Collection[str]) -> list[Difference]:
    """Of records: both ways."""
    only_here = [Difference(kind, name, GATEWAY, "no such record there") for name in sorted(set(here) - set(there))]
    only_there = [Difference(kind, name[:100], REDCAP, "not known here") for name in sorted(set(there) - set(here))]
    return only_here + only_there
