"""What a kept value must look like: text does not hide in numbers, codes, ages and offset tables."""

import re
from collections.abc import Callable
from typing import Final

_DS = re.compile(rb"[0-9+\-.eE \\\0]*")
_IS = re.compile(rb"[0-9+\- \\\0]*")
_AS = re.compile(rb"(?:[0-9]{3}[DWMY][ \0]*\\?)*[ \0]*")
_CODE = re.compile(rb"[A-Za-z0-9 _.+*/()#\-]{0,16}[ \0]*")
_OV = re.compile(rb"(?:.{5}\0\0\0)*", re.DOTALL)
_CS = re.compile(rb"%s(?:\\%s)*" % (_CODE.pattern, _CODE.pattern))

CHECKS: Final[dict[bytes, Callable[[bytes], object]]] = {
    b"DS": _DS.fullmatch,
    b"IS": _IS.fullmatch,
    b"AS": _AS.fullmatch,
    b"CS": _CS.fullmatch,
    b"OV": _OV.fullmatch,
}


def cleaned(vr: bytes, value: bytes) -> bytes:
    """What is left of a value that failed its check: the good components of a CS, otherwise nothing."""
    if vr != b"CS":
        return b""
    return b"\\".join(part if _CODE.fullmatch(part) else b"" for part in value.split(b"\\"))
