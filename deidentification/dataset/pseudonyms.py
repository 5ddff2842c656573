"""Pseudonyms that come back: what is made from a result repeats some of its values, and keeps them when it returns.

They are a frozen set of values, UIDs, days (YYYYMMDD) and hashes alike: wherever an action would give a pseudonym, one
that is in the set stays. Whatever is not in it is replaced as ever.
"""

from collections.abc import Iterable
from typing import Final

from deidentification.dataset import dates, uids
from deidentification.profiles.rules import DATE, HASH, UID, Act

NONE: Final[frozenset[bytes]] = frozenset()
STAYED: Final = "P"
"""In the counts of action codes: elements in which a pseudonym stayed, beside the code of their own."""
REPLACING: Final = (UID, DATE, HASH)

# What derived objects repeat beside the UIDs of study, series and instances: where it is in space and time, which
# acquisition and irradiation it comes from, which finding is followed (also as a UID of a content item).
REPEATED: Final = frozenset((0x00200052, 0x00200200, 0x00080017, 0x00083010, 0x00620021, 0x0040A124))


def parts(act: Act, value: bytes) -> list[bytes]:
    """The values, or the days, that an act replaces one by one."""
    return dates.days_in(value) if act is DATE else [part.strip(uids.PADDING) for part in value.split(b"\\")]


def given(act: Act, tag: int, written: bytes) -> Iterable[bytes]:
    """The pseudonyms in a value that an act has just written, as far as derived objects repeat them."""
    return parts(act, written) if act is not UID or tag in REPEATED else ()


def keeping(new: uids.Mapped, pseudonyms: frozenset[bytes]) -> uids.Mapped:
    """The same mapping, but for those that are pseudonyms already."""
    if not pseudonyms:
        return new
    return lambda uid: uid if uid in pseudonyms else new(uid)
