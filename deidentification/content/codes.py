"""Coded entries: what a standard scheme says stays; what a site says in words of its own is cleaned."""

import hmac
import re
from typing import TYPE_CHECKING, Final

from deidentification.content import cleaners
from deidentification.dataset.dummies import TEXT
from deidentification.dataset.encoding import Encoding, element
from deidentification.dataset.memory import Element
from deidentification.standard.tables import Option

if TYPE_CHECKING:
    from deidentification.dataset.context import Context

VALUE, SCHEME, MEANING, LONG_VALUE = 0x00080100, 0x00080102, 0x00080104, 0x00080119
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
VALUE_OFFSET: Final = 8


def is_standard(scheme: bytes) -> bool:
    """Whether a Coding Scheme Designator names a published scheme; local ones begin with 99 (PS3.16 section 8)."""
    return scheme in STANDARD or scheme.startswith((b"NCDR [", b"LNdocumenttype"))


def value_of(chunk: bytes) -> bytes:
    """The value of an encoded SH, LO or CS."""
    return chunk[VALUE_OFFSET:].strip(b"\0 ")


def _pseudonym(context: "Context", text: bytes) -> bytes:
    """The same for the same text in the whole project."""
    return hmac.digest(context.subject.key, b"fiona/code\0" + text, "sha256").hex().upper().encode()


def settled(context: "Context", chunks: list[Element], target: Encoding, charset: bytes) -> list[Element]:
    """The item with a local code's meaning cleaned, its scheme's name (often the site's) replaced.

    Its value is replaced where it does not look like a code.
    """
    found = dict(chunks)
    rule = context.nested.get(MEANING)
    if rule is None or not rule.source.startswith("data dictionary"):
        return chunks
    if is_standard(value_of(found.get(SCHEME, b""))):
        return chunks
    changed: dict[int, bytes] = {}
    if meaning := value_of(found.get(MEANING, b"")):
        changed[MEANING] = element(MEANING, b"LO", cleaners.text(context, b"LO", meaning, charset) or TEXT, target)
    if (code := value_of(found.get(VALUE, b""))) and not SHAPE.fullmatch(code):
        changed[VALUE] = element(VALUE, b"SH", _pseudonym(context, code)[:16], target)
    if LONG_VALUE in found:
        changed[LONG_VALUE] = element(LONG_VALUE, b"UC", _pseudonym(context, found[LONG_VALUE]), target)
    scheme = value_of(found.get(SCHEME, b""))
    if scheme and scheme not in MAKERS and Option.INSTITUTION not in context.profile.profile.options:
        changed[SCHEME] = element(SCHEME, b"SH", b"99" + _pseudonym(context, scheme)[:8], target)
    return [(tag, changed.get(tag, chunk)) for tag, chunk in chunks] if changed else chunks
