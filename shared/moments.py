"""Moments that are written down, by a clock that may have been ahead and is right again: nobody waits for that.

How long a thing rests, is in hand or is held is known. A moment further away than that was never meant, and has come;
one that is said to be past cannot be later than now.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, and_, or_
from sqlalchemy.orm import InstrumentedAttribute

from shared.tables.base import now

Column = InstrumentedAttribute[datetime] | InstrumentedAttribute[datetime | None]
AHEAD: Final = timedelta(minutes=1)
"""Clocks of replicas agree better than this."""


def come(column: Column, longest: timedelta, moment: datetime | None = None) -> ColumnElement[bool]:
    """Whether a moment has come that was to be in so long at most."""
    at = moment or now()
    return or_(column <= at, column > at + longest + AHEAD)


def rests(in_hand: timedelta, seconds: Sequence[float]) -> tuple[timedelta, ...]:
    """The longest until the next try, by the number of tries there were: a rest, or as long as it is in hand."""
    return (timedelta(), *(max(in_hand, timedelta(seconds=each)) for each in seconds))


def come_after_tries(
    column: Column, tries: InstrumentedAttribute[int], longest: Sequence[timedelta], moment: datetime | None = None
) -> ColumnElement[bool]:
    """The same, where it depends on how often it was tried: before the first time, after it, and so on; the last of
    them after all that follow."""
    at = moment or now()
    absurd = [and_(tries == number, column > at + each + AHEAD) for number, each in enumerate(longest)]
    return or_(column <= at, *absurd, and_(tries >= len(longest), column > at + longest[-1] + AHEAD))


def older(column: Column, span: timedelta, moment: datetime | None = None) -> ColumnElement[bool]:
    """Whether something was so long ago, as far as anybody can know of what is said to be still to come."""
    at = moment or now()
    return or_(column <= at - span, column > at + AHEAD)


def long_ago(then: datetime, span: timedelta, moment: datetime | None = None) -> bool:
    """As `older`, of a value."""
    at = moment or now()
    return not at - span < then <= at + AHEAD
