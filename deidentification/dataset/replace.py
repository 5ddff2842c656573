"""What each act makes of one value: a literal table from acts to functions."""

import hmac
import re
import struct
from collections.abc import Callable
from typing import Final

from pydicom.charset import python_encoding

from deidentification.content.cleaners import cleaned
from deidentification.dataset import carriers, dates, uids
from deidentification.dataset.context import Context
from deidentification.dataset.dummies import DUMMIES
from deidentification.dataset.values import CHECKS
from deidentification.errors import CannotDeidentify
from deidentification.profiles import patterns
from deidentification.profiles.overrides import LONGEST as LITERALS
from deidentification.profiles.rules import (
    AGE,
    CLASS_UID,
    CLEAN,
    DATE,
    DROP,
    DUMMY,
    EMPTY,
    GROUPS,
    HASH,
    KEEP,
    LITERAL,
    TIME,
    UID,
    VERSION,
    Act,
    Rule,
)
from deidentification.standard.dictionary import NUMERIC_SIZES, TEXT
from deidentification.standard.reviewed import INSTANCE_UIDS

PADDING: Final = b"\0 "
OLDEST, OLD = 89, b"090Y"
DAYS: Final = {b"Y": 365.25, b"M": 30.4375, b"W": 7.0, b"D": 1.0}
AGE_SHAPE: Final = re.compile(rb"([0-9]{3})([DWMY])")
# Characters of a hash, by what the VR holds.
HASH_SIZES: Final = {b"SH": 16, b"AE": 16, b"CS": 16}
HASH_SIZE: Final = 64
PACKED: Final = {b"US": "H", b"SS": "h", b"UL": "L", b"SL": "l", b"FL": "f", b"FD": "d", b"UV": "Q", b"SV": "q"}

Replaced = Callable[[Context, Rule, int, bytes, bytes, bytes], bytes | None]


def replaced(context: Context, rule: Rule, act: Act, tag: int, vr: bytes, value: bytes, charset: bytes) -> bytes | None:
    """The value that `act` writes in the place of `value`; None when the element goes.

    `charset` is the character set where the element stands. A value that the act cannot read becomes what the rule
    says for that: a dummy, or nothing.
    """
    return ACTS[act](context, rule, tag, vr, value, charset)


def fallback(rule: Rule, vr: bytes) -> bytes | None:
    """For a value that does not parse."""
    return None if rule.otherwise is DROP else DUMMIES[vr] if rule.otherwise is DUMMY else b""


def _drop(*_: object) -> None:
    return None


def _empty(*_: object) -> bytes:
    return b""


def _dummy(context: Context, rule: Rule, tag: int, vr: bytes, value: bytes, charset: bytes) -> bytes:
    return DUMMIES[vr]


def _uid(context: Context, rule: Rule, tag: int, vr: bytes, value: bytes, charset: bytes) -> bytes:
    if tag in INSTANCE_UIDS:
        stripped = value.strip(PADDING)
        return context.new_uid(stripped) if stripped else b""
    return uids.replace(context.new_uid, value)


def _class_uid(context: Context, rule: Rule, tag: int, vr: bytes, value: bytes, charset: bytes) -> bytes:
    return uids.replace_instances_only(context.new_uid, value)


def _date(context: Context, rule: Rule, tag: int, vr: bytes, value: bytes, charset: bytes) -> bytes | None:
    moved = dates.shift(value, context.days, vr, context.pseudonyms) if vr in (b"DA", b"DT") else None
    return fallback(rule, vr) if moved is None else moved


def _time(context: Context, rule: Rule, tag: int, vr: bytes, value: bytes, charset: bytes) -> bytes | None:
    return value if dates.is_time(value) else fallback(rule, vr)


def _version(context: Context, rule: Rule, tag: int, vr: bytes, value: bytes, charset: bytes) -> bytes | None:
    known = vr in (b"DA", b"DT") and dates.shift(value, 0, vr) is not None
    return value if known else fallback(rule, vr)


def _keep(context: Context, rule: Rule, tag: int, vr: bytes, value: bytes, charset: bytes) -> bytes:
    check = CHECKS.get(vr)
    return value if check is None or check(value) else b""


def _clean(context: Context, rule: Rule, tag: int, vr: bytes, value: bytes, charset: bytes) -> bytes | None:
    if vr not in TEXT:
        return fallback(rule, vr)
    if not value.strip(PADDING):
        return b""
    return cleaned(context, tag, vr, value, charset) or fallback(rule, vr)


def _literal(context: Context, rule: Rule, tag: int, vr: bytes, value: bytes, charset: bytes) -> bytes | None:
    text = carriers.filled(str(rule.argument), context.subject)
    if vr not in NUMERIC_SIZES:
        if len(text) > LITERALS.get(vr, len(text)):
            raise CannotDeidentify("template", "a template of the profile is too long once filled in", ((tag, None),))
        return carriers.encoded(text, charset or carriers.UTF_8)
    try:
        order = "<" if context.encoding.little else ">"
        return struct.pack(order + PACKED[vr], float(text) if vr in (b"FL", b"FD") else int(text))
    except (KeyError, struct.error, ValueError):
        return fallback(rule, vr)


def _hash(context: Context, rule: Rule, tag: int, vr: bytes, value: bytes, charset: bytes) -> bytes | None:
    if context.pseudonyms and (stripped := value.strip(PADDING)) in context.pseudonyms:
        return stripped
    # The hash of another attribute is written when that one is known: after the walk, at the top level.
    if rule.argument is not None or not value.strip(PADDING):
        return b""
    if vr == b"UI":
        return uids.replace(context.new_uid, value)
    return keyed_hash(context.subject.key, vr, value) if vr in TEXT else fallback(rule, vr)


def keyed_hash(key: bytes, vr: bytes, value: bytes) -> bytes:
    """HMAC-SHA-256 of a value without its padding, in as many hexadecimal digits as the VR holds."""
    digest = hmac.digest(key, b"fiona/hash\0" + value.strip(PADDING), "sha256")
    return digest.hex().upper().encode()[: HASH_SIZES.get(vr, HASH_SIZE)]


def _groups(context: Context, rule: Rule, tag: int, vr: bytes, value: bytes, charset: bytes) -> bytes | None:
    """The captured groups joined with a space, the rule's default without a match; unreadable text becomes nothing."""
    term = charset.strip(PADDING).decode("ascii", "replace")
    try:
        codec = "ascii" if value.isascii() else python_encoding[term]
        text = value.strip(PADDING).decode(codec)
        assert isinstance(rule.argument, re.Pattern)  # noqa: S101  what is so here, said to mypy
        groups = patterns.captured(rule.argument, text)
        return (rule.default if groups is None else groups).encode(codec)
    except (KeyError, ValueError):
        return b""


def _age(context: Context, rule: Rule, tag: int, vr: bytes, value: bytes, charset: bytes) -> bytes | None:
    """Whoever is older than 89 is 90 (PS3.15 E.3.7; the limit is HIPAA's)."""
    match = AGE_SHAPE.fullmatch(value.strip(PADDING))
    if match is None:
        return b"" if not value.strip(PADDING) else fallback(rule, vr)
    number, unit = int(match[1]), match[2]
    years = number if unit == b"Y" else int(number * DAYS[unit] / DAYS[b"Y"])
    return OLD if years > OLDEST else value


ACTS: Final[dict[Act, Replaced]] = {
    DROP: _drop,
    EMPTY: _empty,
    DUMMY: _dummy,
    UID: _uid,
    CLASS_UID: _class_uid,
    DATE: _date,
    TIME: _time,
    VERSION: _version,
    KEEP: _keep,
    CLEAN: _clean,
    LITERAL: _literal,
    HASH: _hash,
    GROUPS: _groups,
    AGE: _age,
}
