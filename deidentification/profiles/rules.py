"""What a profile is compiled to: one rule per attribute, at the top level and inside items."""

import re
from enum import IntEnum
from typing import Final, NamedTuple

from deidentification.profiles.model import Profile


class Act(IntEnum):
    """What the engine does with one element.

    DATE moves a date by the participant's days, by none where `Compiled.keeps_dates`; TIME and VERSION keep what is a
    time or a date; CLEAN is for text, AGE writes ages over 89 as 090Y. HASH takes the value of the top-level attribute
    in `argument` instead of its own when one is given. GROUPS leaves the captured groups, `default` without a match.
    """

    KEEP = 0
    DROP = 1
    EMPTY = 2
    DUMMY = 3
    UID = 4
    CLASS_UID = 5
    DATE = 6
    TIME = 7
    VERSION = 8
    WALK = 9
    CODE = 10
    REFUSE = 11
    REFUSE_YES = 12
    REFUSE_BITS = 13
    CLEAN = 14
    LITERAL = 15
    HASH = 16
    GROUPS = 17
    AGE = 18


# Members as plain names: attribute access on an Enum is slow where it happens for every element.
KEEP, DROP, EMPTY, DUMMY, UID, CLASS_UID, DATE, TIME, VERSION, WALK, CODE, REFUSE, REFUSE_YES, REFUSE_BITS = (
    Act(number) for number in range(14)
)
CLEAN, LITERAL, HASH, GROUPS, AGE = (Act(number) for number in range(14, 19))


class Rule(NamedTuple):
    """One attribute's rule: the act, the action code that it stands for, and where it comes from.

    `vrs` are the dictionary's, `accepted` those a file may write; `otherwise` is for values that do not parse;
    `most` is how many values the dictionary's VM allows, 0 for any number. `argument` is what the act needs: the
    template (str) of LITERAL, the pattern (re.Pattern[str]) of GROUPS, a tag (int) of HASH; `default` is written
    where GROUPS does not match.
    """

    act: Act
    code: str
    source: str
    vrs: tuple[bytes, ...]
    accepted: frozenset[bytes]
    otherwise: Act
    most: int = 0
    argument: str | int | re.Pattern[str] | None = None
    default: str = ""


# In the keys of `Compiled.own_private`: every element of the creator's block.
ANY_ELEMENT: Final = -1


class Compiled(NamedTuple):
    """A profile ready to apply to objects of one SOP class.

    `rules` hold for the top level, `nested` inside any item; `private` is the Standard's safe list, `own_private` what
    the project keeps ((group, element or ANY_ELEMENT, creator) -> VR, b"" for the file's own).
    `keeps_uids` and `keeps_dates`: Retain UIDs and Full Dates; `structured` and `graphics`: the options
    that clean. `kept_identifying` are identifying attributes that are kept on purpose.
    """

    rules: dict[int, Rule]
    nested: dict[int, Rule]
    private: dict[tuple[int, int, bytes], bytes]
    own_private: dict[tuple[int, int, bytes], bytes]
    removed_concepts: frozenset[tuple[bytes, bytes]]
    modified_dates: bool
    profile: Profile
    keeps_uids: bool
    keeps_dates: bool
    structured: bool
    graphics: bool
    kept_identifying: frozenset[int]
