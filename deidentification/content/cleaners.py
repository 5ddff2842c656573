"""How a value is cleaned: text by the allow-list, terms by their lists, names of layers so that they still match."""

import hmac
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from deidentification.content import terms
from deidentification.errors import CannotDeidentify
from deidentification.text import clean_text

if TYPE_CHECKING:
    from deidentification.dataset.context import Context

Cleaner = Callable[["Context", bytes, bytes, bytes], bytes]

CHARACTER_SET, MODALITY, MODALITIES_IN_STUDY = 0x00080005, 0x00080060, 0x00080061
GRAPHIC_LAYER: Final = 0x00700002


def text(context: "Context", vr: bytes, value: bytes, charset: bytes) -> bytes:
    """What the text cleaner leaves of it; no date stays as it was unless the profile keeps dates."""
    return clean_text(value, vr, charset, context.person, context.text_days)


def _modality(context: "Context", vr: bytes, value: bytes, charset: bytes) -> bytes:
    return b"\\".join(terms.modality(part) for part in value.split(b"\\"))


def _character_set(context: "Context", vr: bytes, value: bytes, charset: bytes) -> bytes:
    known = terms.character_set(value)
    if known is None:
        raise CannotDeidentify("character-set", "the character set is none that the Standard defines")
    return known


def _layer(context: "Context", vr: bytes, value: bytes, charset: bytes) -> bytes:
    """A layer's name, or a pseudonym of it: the annotations name their layer by it."""
    name = value.strip(b"\0 ")
    if text(context, b"LO", name, charset).strip() == name:
        return name
    return b"LAYER " + hmac.digest(context.subject.key, b"fiona/layer\0" + name, "sha256").hex()[:8].upper().encode()


SPECIAL: Final[Mapping[int, Cleaner]] = {
    CHARACTER_SET: _character_set,
    MODALITY: _modality,
    MODALITIES_IN_STUDY: _modality,
    GRAPHIC_LAYER: _layer,
}


def cleaned(context: "Context", tag: int, vr: bytes, value: bytes, charset: bytes) -> bytes:
    """The value of one attribute, cleaned as its kind asks for."""
    return SPECIAL.get(tag, text)(context, vr, value, charset)
