"""How one person's name may stand elsewhere: read in its character set, spelled and encoded in other ways."""

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from pydicom.charset import python_encoding

from deidentification.text import charsets

SEPARATORS: Final = re.compile(r"[\^ ,.;:()/_\0\-'’\"\t]+")
# Written out, and cut to one plain letter, where Unicode knows no decomposition.
_WRITTEN_OUT: Final = str.maketrans(
    {"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "å": "aa", "ø": "oe", "æ": "ae", "þ": "th", "ð": "d", "ł": "l"}
)
_PLAIN: Final = str.maketrans({"ø": "o", "æ": "a", "ß": "s", "ð": "d", "þ": "t", "ł": "l", "đ": "d", "ı": "i"})
_LATIN: Final = ("utf-8", "latin-1", "cp850", "iso8859_2")
_OTHERS: Final = (
    *("utf-8", "gb18030", "shift_jis", "euc_jp", "iso2022_jp", "euc_kr", "big5"),
    *("iso8859_5", "cp1251", "koi8_r", "iso8859_7", "iso8859_8", "iso8859_6", "tis_620"),
)
_WIDE: Final = ("utf-16-le", "utf-16-be")
# Back to ASCII: what follows may be more of the same text.
_BACK: Final = re.compile(rb"\x1b\(B$")


@lru_cache(maxsize=256)
def codecs_of(character_set: bytes) -> tuple[str, ...]:
    """The Python codecs of a declared character set."""
    terms = (term.strip(" \0") for term in character_set.decode("latin-1").split("\\"))
    return tuple(dict.fromkeys(python_encoding[term] for term in terms if term in python_encoding))


@lru_cache(maxsize=4096)
def readings(value: bytes, character_set: bytes) -> tuple[str, ...]:
    """The texts that the bytes may mean: as declared, and as files that declare wrongly mean them."""
    value = value.strip(b"\0 ")
    if value.isascii() and b"\x1b" not in value:
        return (value.decode("ascii"),)
    found = []
    declared = charsets.decoded(value, character_set)
    if declared is not None and not any("\ud800" <= sign <= "\udfff" for sign in declared):
        found.append(declared)
    for codec in ("utf-8", *codecs_of(character_set), "latin-1"):
        try:
            found.append(value.decode(codec))
        except ValueError:
            continue
    return tuple(dict.fromkeys(found))


def people(text: str) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    """(words of the family name, words of the other components) of every person and component group of a PN."""
    for group in re.split(r"[\\=]", text):
        family, _, rest = group.partition("^")
        if not rest and "," in family:
            family, _, rest = family.partition(",")
        words = tuple(word for word in SEPARATORS.split(family) if word)
        others = tuple(word for word in SEPARATORS.split(rest) if word)
        if words or others:
            yield words, others


@lru_cache(maxsize=8192)
def styles(word: str) -> tuple[str, str, str, str]:
    """A word in lower case: as it stands, with its diacritics apart, without them, with umlauts written out."""
    lower = word.lower()
    if lower.isascii():
        return (lower,) * 4
    composed, apart = unicodedata.normalize("NFC", lower), unicodedata.normalize("NFD", lower)
    bare = "".join(sign for sign in unicodedata.normalize("NFKD", lower) if not unicodedata.combining(sign))
    plain, written_out = bare.translate(_PLAIN), composed.translate(_WRITTEN_OUT)
    return composed, apart, plain if plain.isascii() else composed, written_out if written_out.isascii() else composed


def spellings(word: str) -> tuple[str, ...]:
    """The styles that differ."""
    return tuple(dict.fromkeys(styles(word)))


def encodings(text: str, declared: tuple[str, ...]) -> set[bytes]:
    """A spelled text as bytes, upper-cased where ASCII is: in the declared sets and those that can write it."""
    cases = (text.upper(),) if text.isascii() else dict.fromkeys((text, text.upper(), text.title()))
    found = (
        {case.encode(codec) for case in cases for codec in _WIDE}
        if text.isalnum() or not text.isascii()
        else set[bytes]()
    )
    if text.isascii():
        return {text.upper().encode("ascii"), *found}
    latin = all(ord(sign) < 0x250 or unicodedata.combining(sign) for sign in text)
    found |= {form for case in cases for form in _encoded(case, declared, latin)}
    return {form.upper() for form in found}


def _encoded(text: str, declared: tuple[str, ...], latin: bool) -> Iterator[bytes]:
    for codec in dict.fromkeys((*declared, *(_LATIN if latin else _OTHERS))):
        try:
            yield _BACK.sub(b"", text.encode(codec))
        except ValueError:
            continue
