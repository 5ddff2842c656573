"""Dummy values (action D): valid for their VR, the same for everybody."""

from typing import Final

TEXT: Final = b"ANONYMIZED"
DUMMIES: Final[dict[bytes, bytes]] = {
    **dict.fromkeys((b"AE", b"CS", b"LO", b"LT", b"PN", b"SH", b"ST", b"UC", b"UT"), TEXT),
    b"UR": b"urn:anonymized",
    b"AS": b"000Y",
    b"DA": b"19000101",
    b"DT": b"19000101000000",
    b"TM": b"000000",
    b"DS": b"0 ",
    b"IS": b"0 ",
    **dict.fromkeys((b"US", b"SS", b"OB", b"OW", b"UN"), bytes(2)),
    **dict.fromkeys((b"UL", b"SL", b"FL", b"AT", b"OF", b"OL"), bytes(4)),
    **dict.fromkeys((b"FD", b"UV", b"SV", b"OD", b"OV"), bytes(8)),
}
