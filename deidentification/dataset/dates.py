"""Dates: DA and DT moved by whole days, so that every interval stays; what does not parse never passes."""

import re
from datetime import date, timedelta
from functools import lru_cache
from typing import Final

PADDING: Final = b"\0 "
DA: Final = re.compile(rb"(\d{4})(\d\d)(\d\d)|(\d{4})\.(\d\d)\.(\d\d)")
DT: Final = re.compile(
    rb"(?P<year>\d{4})(?:(?P<month>\d\d)(?:(?P<day>\d\d)(?P<time>(?:\d\d){0,3}(?<=\d{14})\.\d{1,6}|(?:\d\d){0,3}))?)?"
    rb"(?P<zone>[+-](?:0\d|1[0-4])[0-5]\d)?"
)
DAY: Final = re.compile(rb"\d{4}(?:\d\d){0,2}")
TM: Final = re.compile(rb"[0-2]\d(?::?[0-5]\d(?::?[0-6]\d(?:\.\d{1,6})?)?)?")


def _moved(year: int, month: int, day: int, days: int) -> date | None:
    try:
        return date(year, month, day) + timedelta(days=days)
    except (ValueError, OverflowError):
        return None


def _one_date(text: bytes, days: int, stays: frozenset[bytes]) -> bytes | None:
    match = DA.fullmatch(text)
    if not match:
        return None
    parts = [part for part in match.groups() if part is not None]
    if b"".join(parts) in stays:
        days = 0
    year, month, day = map(int, parts)
    moved = _moved(year, month, day, days)
    return None if moved is None else b"%04d%02d%02d" % (moved.year, moved.month, moved.day)


def _one_datetime(text: bytes, days: int, stays: frozenset[bytes]) -> bytes | None:
    """A partial DT is moved from its first day and cut to the precision it had."""
    match = DT.fullmatch(text)
    if not match:
        return None
    month, day = match["month"], match["day"]
    if match["year"] + (month or b"") + (day or b"") in stays:
        days = 0
    moved = _moved(int(match["year"]), int(month or 1), int(day or 1), days)
    if moved is None:
        return None
    written = b"%04d" % moved.year
    if month:
        written += b"%02d" % moved.month
    if day:
        written += b"%02d" % moved.day + match["time"]
    return written + (match["zone"] or b"")


def _span(text: bytes, days: int, vr: bytes, stays: frozenset[bytes]) -> bytes | None:
    """One component of a value: a single date, or a range as queries and some objects hold it."""
    one = _one_date if vr == b"DA" else _one_datetime
    if not text:
        return b""
    single = one(text, days, stays)
    if single is not None:
        return single
    for cut in (at for at, character in enumerate(text) if character == 0x2D):
        first, last = text[:cut], text[cut + 1 :]
        ends = [b"" if not end else one(end, days, stays) for end in (first, last)]
        if (first or last) and None not in ends:
            return b"-".join(end for end in ends if end is not None)
    return None


@lru_cache(maxsize=4096)
def shift(value: bytes, days: int, vr: bytes, stays: frozenset[bytes] = frozenset()) -> bytes | None:
    """A DA or DT value, multi-valued or ranged, moved by `days`; None when any part of it is not a date.

    `stays` are days (YYYYMMDD, as far as they are given) that were moved before, and are not moved again.
    """
    parts = [_span(part.strip(PADDING), days, vr, stays) for part in value.split(b"\\")]
    return None if None in parts else b"\\".join(part for part in parts if part is not None)


@lru_cache(maxsize=4096)
def is_time(value: bytes) -> bool:
    """Whether a TM value, multi-valued or ranged, holds times and nothing else."""
    ends = [end.strip(PADDING) for part in value.split(b"\\") for end in part.split(b"-")]
    return all(not end or TM.fullmatch(end) for end in ends)


def days_in(value: bytes) -> list[bytes]:
    """The days (YYYYMMDD, as far as they are given) of a DA or DT value that `shift` has written."""
    return [match[0] for part in value.split(b"\\") for end in part.split(b"-") if (match := DAY.match(end))]
