"""Which instances a profile's selector means, told by the top level's values."""

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Final

from pydicom.charset import python_encoding

from deidentification.profiles import patterns
from deidentification.profiles.model import Selector

SOP_CLASS, CHARACTER_SET, MODALITY, IMAGE_TYPE = 0x00080016, 0x00080005, 0x00080060, 0x00080008
SERIES_DESCRIPTION, IMAGE_COMMENTS = 0x0008103E, 0x00204000
WANTED: Final = frozenset((SOP_CLASS, CHARACTER_SET, MODALITY, IMAGE_TYPE, SERIES_DESCRIPTION, IMAGE_COMMENTS))


def wanted(selectors: Iterable[Selector]) -> frozenset[int]:
    """The tags whose values have to be captured to decide `selectors`."""
    return WANTED.union(selector.attribute for selector in selectors if selector.attribute is not None)


def matches(selector: Selector, captured: Mapping[int, bytes]) -> bool:
    """Whether every condition that the selector gives holds; one that gives none matches nothing.

    `captured` holds the source's values as they were encoded. Expressions are searched for, letter case does not
    matter; an attribute that is absent is empty text.
    """
    conditions = list(_conditions(selector, captured))
    return bool(conditions) and all(conditions)


def _conditions(selector: Selector, captured: Mapping[int, bytes]) -> Iterator[bool]:
    if selector.modality is not None:
        yield _same(selector.modality, text(captured, MODALITY))
    if selector.sop_class is not None:
        yield _is_class(selector.sop_class, text(captured, SOP_CLASS))
    if selector.image_type is not None:
        yield any(_same(selector.image_type, value) for value in text(captured, IMAGE_TYPE).split("\\"))
    if selector.series_description is not None:
        yield _found(selector.series_description, text(captured, SERIES_DESCRIPTION))
    if selector.image_comments is not None:
        yield _found(selector.image_comments, text(captured, IMAGE_COMMENTS))
    if selector.attribute is not None:
        yield _found(selector.matches or "", text(captured, selector.attribute))


def text(captured: Mapping[int, bytes], tag: int) -> str:
    """The value as text in the file's character set, without padding; empty when it is absent."""
    value = captured.get(tag, b"").strip(b"\0 ")
    if value.isascii() and b"\x1b" not in value:
        return value.decode("ascii")
    for codec in _codecs(captured.get(CHARACTER_SET, b"")):
        try:
            return value.decode(codec)
        except ValueError:
            continue
    return value.decode("latin-1")


@lru_cache(maxsize=256)
def _codecs(declared: bytes) -> tuple[str, ...]:
    terms = [term.strip() for term in declared.strip(b"\0 ").decode("latin-1").split("\\")]
    known = (python_encoding[term] for term in (*reversed(terms), "ISO_IR 192") if term in python_encoding)
    return tuple(codec for codec in known if codec != "ascii")


def _same(wanted_value: str, value: str) -> bool:
    return wanted_value.strip().casefold() == value.strip().casefold()


def _is_class(wanted_class: str, value: str) -> bool:
    return value.startswith(wanted_class) if wanted_class.endswith(".") else value == wanted_class


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


def _found(pattern: str, value: str) -> bool:
    return patterns.found(_compiled(pattern), value) is not None
