"""What the bytes of an element say: total over all bytes, never an error, never a warning.

A header that was accepted may still hold unknown character sets, wrong lengths and texts that are no
numbers. Here each of them becomes the nearest text, or nothing.
"""

import struct
from collections.abc import Callable, Sequence

from pydicom.charset import decode_bytes, python_encoding

Scalar = str | int | float
Value = Scalar | list[Scalar] | None

TEXT = frozenset(("SH", "LO", "PN", "UC"))
LONG_TEXT = frozenset(("ST", "LT", "UT", "UR"))
PLAIN = frozenset(("AE", "AS", "CS", "DA", "DS", "DT", "IS", "TM", "UI"))
NUMBERS = {"US": "H", "SS": "h", "UL": "L", "SL": "l", "UV": "Q", "SV": "q", "FL": "f", "FD": "d"}
DEFAULT_ENCODINGS = ("iso8859",)
_DELIMITERS = {0x0D, 0x0A, 0x09, 0x0C, 0x5C}
_NAME_DELIMITERS = {0x5E, 0x3D, 0x5C}


def encodings_of(raw: bytes | None) -> tuple[str, ...]:
    """Python's names for a SpecificCharacterSet (PS3.3 §C.12.1.1.2); unknown ones are left out."""
    terms = [term.strip(" \0") for term in (raw or b"").decode("ascii", "replace").split("\\")]
    known = tuple(python_encoding[term] for term in terms if term in python_encoding)
    return known or DEFAULT_ENCODINGS


def text(raw: bytes, encodings: Sequence[str], vr: str = "LO") -> str:
    """Decode a text; what does not decode is replaced, NULs are dropped, padding is stripped."""
    if raw.isascii() and 0x1B not in raw:
        decoded = raw.decode("ascii")
    elif 0x1B in raw:
        decoded = _with_escapes(raw, encodings, _NAME_DELIMITERS if vr == "PN" else _DELIMITERS)
    else:
        decoded = raw.decode(encodings[0], "replace")
    decoded = decoded.replace("\0", "").strip()
    return decoded.rstrip("=") if vr == "PN" else decoded


def _with_escapes(raw: bytes, encodings: Sequence[str], delimiters: set[int]) -> str:
    try:
        return decode_bytes(raw, list(encodings), delimiters)
    except Exception:
        return raw.decode(encodings[0], "replace")


def _texts(raw: bytes, encodings: Sequence[str], vr: str) -> Value:
    # A backslash byte may be the second half of a two-byte character: split after decoding.
    decoded = text(raw, encodings, vr)
    return _unwrapped([part.strip() for part in decoded.split("\\")]) if "\\" in decoded else decoded


def _plain(raw: bytes, *_: object) -> Value:
    decoded = raw.decode("ascii", "replace").replace("\0", "").strip()
    return _unwrapped([part.strip() for part in decoded.split("\\")]) if "\\" in decoded else decoded


def _unwrapped(values: list[str]) -> Value:
    return list(values) if len(values) > 1 else values[0]


def numbers(raw: bytes, code: str, little_endian: bool) -> Value:
    """Unpack as many whole numbers as the bytes hold."""
    size = struct.calcsize(f"<{code}")
    count = len(raw) // size
    found: list[Scalar] = list(struct.unpack(f"{'<' if little_endian else '>'}{count}{code}", raw[: count * size]))
    return found if count > 1 else (found[0] if found else None)


def decode(vr: str | None, raw: bytes, encodings: Sequence[str], little_endian: bool) -> Value:
    """The value of an element; texts as str (also DS and IS), binary numbers as numbers, other bytes as None."""
    if code := NUMBERS.get(vr or ""):
        return numbers(raw, code, little_endian)
    decoder = _DECODERS.get(vr or "")
    if decoder is not None:
        return decoder(raw, encodings, vr or "")
    if vr in (None, "UN") and raw.rstrip(b"\0 ").isascii() and raw.rstrip(b"\0 ").decode("ascii").isprintable():
        return _plain(raw)
    return None


_DECODERS: dict[str, Callable[[bytes, Sequence[str], str], Value]] = (
    dict.fromkeys(TEXT, _texts) | dict.fromkeys(LONG_TEXT, text) | dict.fromkeys(PLAIN, _plain)
)


def shown(value: Value, vr: str | None = None) -> str:
    """A value as the original's series JSON shows it: several ones as a Python list, numbers without quotes."""
    if value is None:
        return ""
    if isinstance(value, list):
        bare = vr in ("DS", "IS")
        return "[" + ", ".join(str(each) if bare else repr(each) for each in value) + "]"
    return str(value)


def number(value: object) -> float | None:
    """A number if it is one, as `12`, `1.5e3` or a list of one."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    try:
        return float(value) if isinstance(value, str | int | float) else None
    except (ValueError, OverflowError):
        return None
