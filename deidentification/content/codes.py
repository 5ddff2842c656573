"""Coded entries: what a standard scheme says stays; what somebody says in words of their own is cleaned.

A published scheme beside a text does not make the text a published one: its meaning stays when its words are known to
be harmless or when it is the meaning of that code, its value when it has the shape of a code.
"""

import hmac
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from deidentification.content import cleaners, published
from deidentification.dataset.dummies import TEXT
from deidentification.dataset.encoding import Encoding, element
from deidentification.dataset.memory import Element
from deidentification.profiles.rules import Rule
from deidentification.standard.tables import Option
from deidentification.text.vocabulary import known

if TYPE_CHECKING:
    from deidentification.dataset.context import Context

VALUE, SCHEME, MEANING, LONG_VALUE = 0x00080100, 0x00080102, 0x00080104, 0x00080119
ENTRY: Final = frozenset((MEANING, LONG_VALUE))
# PS3.16 Table 8-1 and what stood there before, as far as images and reports use them.
STANDARD: Final = frozenset(
    b"""DCM SRT SNM3 SCT LN UCUM NCIt UMLS MSH RADLEX FMA ITIS_TSN DTIV MA NEU BI BARI ACR CTV3 C4 C5 CD2 CDT-2
    HPC I9 I9C I10 I10C I10P I11 IBSI IMDRF ISO3166_1 ISO639_1 ISO639_2 RFC3066 RFC5646 RFC3881 PUBCHEM_CID RXNORM
    MAYOASRG MDNS MDC NDC NCDR NICIP PATHLEX SDM UBERON UNS USEQ NYUMCCG BRIDG CAM CID 8601 O ACR-NEMA LOINC
    SNOMED-CT ICDO3 HGNC GENE UNIPROT CVX STANFORD""".split()
)
# Local schemes of makers, which name no site.
MAKERS: Final = frozenset(
    b"99PMP 99SDM 99GEMS 99SMS 99SMS_RSNA 99SIEMENS 99PHILIPS 99GE 99CANON 99TOSHIBA 99FIONA".split()
)
SHAPE: Final = re.compile(rb"[A-Za-z0-9][A-Za-z0-9._\-]{0,15}")
LONG_SHAPE: Final = re.compile(rb"[A-Za-z0-9][A-Za-z0-9._:\-]{0,63}")
# A published code may have signs ([arb'U]/mL), but no spaces.
PUBLISHED_SHAPE: Final = re.compile(rb"[!-~]{1,16}")
LETTERS: Final = re.compile(r"[^\W\d_]+")
# Schemes whose codes are letters: units, countries, languages, genes.
LETTERED: Final = frozenset(
    b"UCUM ISO3166_1 ISO639_1 ISO639_2 RFC3066 RFC5646 HGNC GENE UNIPROT IBSI MDC STANFORD NYUMCCG".split()
)
# Letters in a row that may be a name: alone, and where digits stand beside them.
NAME, NAME_BESIDE_DIGITS = 4, 5
VALUE_OFFSET: Final = 8


def is_standard(scheme: bytes) -> bool:
    """Whether a Coding Scheme Designator names a published scheme; local ones begin with 99 (PS3.16 section 8)."""
    return scheme in STANDARD or scheme.startswith((b"NCDR [", b"LNdocumenttype"))


def value_of(chunk: bytes) -> bytes:
    """The value of an encoded SH, LO or CS."""
    return chunk[VALUE_OFFSET:].strip(b"\0 ")


def is_ours(rule: Rule) -> bool:
    """Whether no project has a rule of its own for the attribute."""
    return rule.source.startswith("data dictionary")


def _pseudonym(context: "Context", text: bytes) -> bytes:
    """The same for the same text in the whole project."""
    return hmac.digest(context.subject.key, b"fiona/code\0" + text, "sha256").hex().upper().encode()


@lru_cache(maxsize=4096)
def says_a_word(code: bytes) -> bool:
    """Whether letters of a code may be a name: `BAKKE.KARI`, but not `CT.THORAX`, `RNC1AA` or `T-A0100`."""
    text = code.decode("ascii", "replace")
    words = LETTERS.findall(text)
    digits = any(map(str.isdigit, text))
    least = NAME_BESIDE_DIGITS if digits else NAME if len(words) < 2 else 2
    return any(len(word) >= least and not known(word) for word in words)


def stays(value: bytes, scheme: bytes) -> bool:
    """Whether a Code Value may be written as it is."""
    if not is_standard(scheme):
        return SHAPE.fullmatch(value) is not None and not says_a_word(value)
    if PUBLISHED_SHAPE.fullmatch(value) is None:
        return False
    return scheme in LETTERED or not says_a_word(value) or bool(published.meanings(value.decode(), scheme.decode()))


def _long_stays(value: bytes, scheme: bytes) -> bool:
    """Long Code Value: the shape of a code, with a digit, in a published scheme."""
    shaped = LONG_SHAPE.fullmatch(value) is not None and re.search(rb"[0-9]", value) is not None
    return shaped and is_standard(scheme) and not says_a_word(value)


def _meaning(context: "Context", meaning: bytes, value: bytes, scheme: bytes, charset: bytes) -> bytes:
    """As it is when it is known to be harmless or published for this code, else cleaned."""
    cleaned = cleaners.text(context, b"LO", meaning, charset)
    if cleaned == meaning or not is_standard(scheme):
        return cleaned or TEXT
    # Units mean what they say.
    if scheme == b"UCUM" and meaning == value:
        return meaning
    text, code, name = (each.decode("ascii", "replace") for each in (meaning, value, scheme))
    return meaning if text.casefold() in published.meanings(code, name) else cleaned or TEXT


def settled(context: "Context", chunks: list[Element], target: Encoding, charset: bytes) -> list[Element]:
    """The item with its meaning cleaned, its value replaced where it does not look like a code.

    The name of a local scheme (often the site's) is replaced.
    """
    found = dict(chunks)
    rule = context.nested.get(MEANING)
    if rule is None or not is_ours(rule):
        return chunks
    scheme, value = value_of(found.get(SCHEME, b"")), value_of(found.get(VALUE, b""))
    long_value = found.get(LONG_VALUE, b"")[8 if target.implicit else 12 :].strip(b"\0 ")
    changed: dict[int, bytes] = {}
    if meaning := value_of(found.get(MEANING, b"")):
        written = _meaning(context, meaning, value or long_value, scheme, charset)
        if written != meaning:
            changed[MEANING] = element(MEANING, b"LO", written, target)
    if value and not stays(value, scheme):
        changed[VALUE] = element(VALUE, b"SH", _pseudonym(context, value)[:16], target)
    if long_value and not _long_stays(long_value, scheme):
        changed[LONG_VALUE] = element(LONG_VALUE, b"UC", _pseudonym(context, long_value), target)
    names_a_site = scheme and not is_standard(scheme) and scheme not in MAKERS
    if names_a_site and Option.INSTITUTION not in context.profile.profile.options:
        changed[SCHEME] = element(SCHEME, b"SH", b"99" + _pseudonym(context, scheme)[:8], target)
    return [(tag, changed.get(tag, chunk)) for tag, chunk in chunks] if changed else chunks
