"""Text in the character set that a file declares, there and back; what cannot be read whole is no text."""

import warnings
from functools import lru_cache
from typing import Final

from pydicom import charset

DEFAULT: Final = ("", "ISO_IR 6", "ISO 2022 IR 6")
DELIMITERS: Final = frozenset(b"\t\n\f\r\\")


@lru_cache(maxsize=64)
def _declared(character_set: bytes) -> tuple[str, ...] | None:
    """The Python codecs of the declared terms; ("ascii",) for none, None when a term is unknown."""
    terms = [term.strip(" \0") for term in character_set.decode("latin-1").split("\\")]
    if all(term in DEFAULT for term in terms):
        return ("ascii",)
    if any(term not in charset.python_encoding for term in terms):
        return None
    return tuple(charset.python_encoding[term] for term in terms)


def decoded(value: bytes, character_set: bytes) -> str | None:
    """The text, or None. Bytes that no declared set explains are kept apart as surrogates, which no word holds."""
    codecs = _declared(character_set)
    if codecs is None:
        return None
    if codecs == ("ascii",):
        return value.decode("ascii", "surrogateescape")
    try:
        if len(codecs) == 1:
            return value.decode(codecs[0])
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return charset.decode_bytes(value, list(codecs), set(DELIMITERS))
    except (UnicodeError, LookupError, ValueError, Warning):
        return None


def encoded(text: str, character_set: bytes) -> bytes | None:
    """The text's bytes, or None when reading them again would not give the text."""
    codecs = _declared(character_set)
    if codecs is None:
        return None
    if text.isascii():
        return text.encode("ascii")
    try:
        if len(codecs) == 1:
            value = text.encode(codecs[0])
        else:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                value = charset.encode_string(text, list(codecs))
    except (UnicodeError, LookupError, ValueError, Warning):
        return None
    return value if decoded(value, character_set) == text else None
