"""The last gate: read back what was written and look for the person in it.

The rule for what counts as a hit:
- names are looked for in their parts of at least 4 bytes, and family and given name written together; ids from 5
  characters (digits alone from 6), a birth date in the usual formats, UIDs whole; letter case does not matter;
- a name is also looked for in UTF-8, Latin-1, UTF-16 and its declared character sets, without its diacritics, and
  with umlauts written out;
- a hit must stand alone: no letter or digit beside it (for a UID: no digit or dot), so that LEES is not in SLEESTAK;
- COMMON words, ids of one repeated character, and whatever is part of the new identity itself are not looked for;
- a birth date that a moved date happens to equal is not looked for.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from functools import lru_cache
from itertools import chain
from typing import Final

from pydicom.charset import python_encoding

from deidentification.dataset.encoding import Encoding
from deidentification.dataset.reader import elements
from deidentification.errors import CannotDeidentify
from deidentification.gate.identity import IDENTIFYING, Kind

LEAST_NAME, LEAST_ID, LEAST_NUMBER, LEAST_UID = 4, 5, 6, 6
COMMON: Final = frozenset(
    b"""ABDOMEN ANON ANONYMIZED ANONYMOUS AXIAL BABY BODY BRAIN BREAST CANON CHEST CHILD COIL COMPRESSED CONTROL DATA
    DEMO DERIVED DOCTOR ELEKTA FACE FEMALE FILM FIONA FIRST FOOT FUJI FUJIFILM GEMS HAND HEAD HEART HITACHI HOLOGIC
    IMAGE KNEE KODAK LAST LEFT LIVER LUNG MALE MEAN MEDICAL NAME NECK NONE NORM ORIGINAL OTHER PATIENT PELVIS PHANTOM
    PHILIPS PRIMARY QUALITY RIGHT SAMPLE SCAN SECONDARY SERIES SHIMADZU SIEMENS SKULL SLICE SPINE STUDY SYNTHETIC
    SYSTEMS TEST TESTING THORAX TOSHIBA TRUE UNKNOWN VARIAN VOLUME WATER WHOLE WIRE""".split()
)
_NAME_PARTS: Final = re.compile(rb"[\\^= ,.;:()/_\0\-]+")
_WRITTEN_OUT: Final = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "å": "aa", "ø": "oe", "æ": "ae"})
_MONTHS: Final = (b"JAN", b"FEB", b"MAR", b"APR", b"MAY", b"JUN", b"JUL", b"AUG", b"SEP", b"OCT", b"NOV", b"DEC")
_ALPHANUMERIC: Final = frozenset(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ")
_DIGITS_DOT: Final = frozenset(b"0123456789.")


Needle = tuple[Kind, int, bytes]


def needles(
    identifying: Iterable[tuple[int, bytes]],
    inserted: Iterable[bytes],
    dates: Iterable[bytes],
    character_set: bytes = b"",
) -> list[Needle]:
    """(kind, tag it came from, upper-cased bytes) of everything that must not be found."""
    ours, moved = b"\0".join(inserted).upper(), b"\0".join(dates)
    return [
        needle
        for tag, value in sorted(identifying)
        for needle in _parts(tag, value, character_set)
        if needle[2] not in ours and not (needle[0] is Kind.DATE and value.strip(b"\0 ") in moved)
    ]


@lru_cache(maxsize=4096)
def _parts(tag: int, value: bytes, character_set: bytes) -> tuple[Needle, ...]:
    """What to look for of one identifying value."""
    kind = IDENTIFYING[tag]
    text = value.strip(b"\0 ").upper()
    parts: list[bytes]
    if kind is Kind.NAME:
        forms = {*_NAME_PARTS.split(text), *_forms(value.strip(b"\0 "), character_set)}
        parts = sorted(part for part in forms if len(part) >= LEAST_NAME and part not in COMMON)
    elif kind is Kind.ID:
        parts = [part for part in (part.strip(b"\0 ") for part in text.split(b"\\")) if _telling(part)]
    elif kind is Kind.DATE:
        parts = _formats(text)
    else:
        parts = [text] if len(text) >= LEAST_UID else []
    return tuple((kind, tag, part) for part in parts if kind)


def _forms(name: bytes, character_set: bytes) -> set[bytes]:
    """The parts of a name as they may stand elsewhere: spelled and encoded differently, or written together."""
    terms = (term.strip() for term in character_set.decode("latin-1").split("\\"))
    codecs = ("utf-8", *(python_encoding[term] for term in terms if term in python_encoding), "latin-1")
    found = set()
    for codec in codecs:
        try:
            text = name.decode(codec)
        except ValueError:
            continue
        for person in re.split(r"[\\=]", text):
            parts = re.split(r"[\^ ,.;:()/_\0-]+", person)
            family, given = (*person.split("^"), "")[:2]
            together = [family + given, given + family] if len(family + given) >= LEAST_ID or not text.isascii() else []
            for spelled in chain.from_iterable(map(_spellings, (*parts, *(together if family and given else ())))):
                found |= {_encoded(spelled, other).upper() for other in codecs}
                found.add(spelled.encode("utf-16-le", "replace").upper().rstrip(b"\0") if len(spelled) >= 4 else b"")
    return found


def _spellings(part: str) -> set[str]:
    """A part of a name in upper, lower and title case, without diacritics, and with umlauts written out."""
    cases = {part, part.upper(), part.lower(), part.title()}
    if part.isascii():
        return cases
    plain = "".join(sign for sign in unicodedata.normalize("NFKD", part) if not unicodedata.combining(sign))
    return cases | {form for form in (plain, part.lower().translate(_WRITTEN_OUT)) if form.isascii()}


def _encoded(text: str, codec: str) -> bytes:
    try:
        return text.encode(codec)
    except ValueError:
        return b""


def _telling(text: bytes) -> bool:
    least = LEAST_NUMBER if text.isdigit() else LEAST_ID
    return len(text) >= least and len(set(text)) > 1 and text not in COMMON


def _formats(text: bytes) -> list[bytes]:
    if not re.fullmatch(rb"\d{8}", text) or text in (b"19000101", b"00000000"):
        return []
    year, month, day = text[:4], text[4:6], text[6:]
    return [
        text,
        *(join.join((year, month, day)) for join in (b"-", b".", b"/")),
        *(join.join((day, month, year)) for join in (b"-", b".", b"/", b"")),
        *(join.join((month, day, year)) for join in (b"-", b"/", b"")),
        *(join.join((day, name, year)) for join in (b"-", b" ", b"") for name in _MONTHS[int(month) - 1 : int(month)]),
    ]


def hit(needle: bytes, kind: Kind, haystack: bytes) -> bool:
    """Whether `needle` stands alone somewhere in the upper-cased `haystack`."""
    beside = _DIGITS_DOT if kind is Kind.UID else _ALPHANUMERIC
    at = haystack.find(needle)
    while at >= 0:
        end = at + len(needle)
        # A letter before a NUL is the low byte of the next element's group (T is group 0054), not text.
        free_after = haystack[end : end + 1] not in _SINGLES[beside] or haystack[end + 1 : end + 2] == b"\0"
        if free_after and (at == 0 or haystack[at - 1] not in beside):
            return True
        at = haystack.find(needle, at + 1)
    return False


_SINGLES: Final = {codes: frozenset(bytes((code,)) for code in codes) for codes in (_ALPHANUMERIC, _DIGITS_DOT)}


def verify(
    written: bytes, meta_size: int, encoding: Encoding, expected: Mapping[int, bytes], wanted: Iterable[Needle]
) -> None:
    """Check the bytes of a written header: `expected` values in place, nothing `wanted` anywhere.

    `written` ends before the pixel data's element; the dataset begins at `meta_size`. Raises CannotDeidentify.
    """
    found = elements(written, encoding, meta_size, expected)
    for tag, value in expected.items():
        if found.get(tag, b"").rstrip(b"\0 ") != value.rstrip(b"\0 "):
            raise CannotDeidentify("gate-carrier", "a written value is not what it must be", ((tag, None),))
    haystack = written.upper()
    for kind, tag, needle in wanted:
        if needle in haystack and hit(needle, kind, haystack):
            raise CannotDeidentify(f"gate-{kind.value}", "a value of the source stands in the result", ((tag, None),))
