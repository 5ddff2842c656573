"""A strategy for whole files: random elements in random encodings, lengths and depths, with the patient everywhere."""

import struct
from dataclasses import dataclass
from typing import Final

from hypothesis import strategies as st

from deidentification.standard.dictionary import DICTIONARY
from tests.unit.deidentification.builders import CT

NAME, PATIENT_ID, BIRTH = b"Zqvistgaard^Karianne", b"ZQ0302704711", b"19770411"
# What must not be found, lower case.
SECRETS: Final = (b"zqvistgaard", b"zq0302704711", b"1.2.826.0.19770411")
LONG: Final = (b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"UC", b"UN", b"UR", b"UT", b"SV", b"UV")
SHORT: Final = tuple(b"AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US".split())
NUMBERS: Final = (b"DS", b"IS", b"FD", b"FL", b"US", b"UL", b"SS", b"SL", b"AT")
KNOWN: Final = sorted(tag for tag in DICTIONARY if tag >> 16 not in (0, 2, 0x7FE0) and tag >> 16 < 0xFFFA)
SEQUENCES: Final = [tag for tag in KNOWN if DICTIONARY[tag][0] == b"SQ"]


@dataclass(frozen=True)
class Style:
    """How a file writes its elements."""

    implicit: bool
    order: str
    syntax: bytes

    def element(self, tag: int, vr: bytes, value: bytes, length: int | None = None) -> bytes:
        """One element; any length one likes."""
        size = len(value) if length is None else length
        head = struct.pack(f"{self.order}HH", tag >> 16, tag & 0xFFFF)
        if self.implicit:
            return head + struct.pack(f"{self.order}L", size) + value
        if vr in LONG:
            return head + vr + b"\0\0" + struct.pack(f"{self.order}L", size) + value
        return head + vr + struct.pack(f"{self.order}H", size & 0xFFFF) + value

    def item(self, content: bytes, undefined: bool) -> bytes:
        """A sequence item."""
        end = struct.pack(f"{self.order}HHL", 0xFFFE, 0xE00D, 0) if undefined else b""
        return (
            struct.pack(f"{self.order}HHL", 0xFFFE, 0xE000, 0xFFFFFFFF if undefined else len(content)) + content + end
        )

    def sequence(self, tag: int, items: list[bytes], undefined: bool, vr: bytes = b"SQ") -> bytes:
        """A sequence."""
        content = b"".join(self.item(each, undefined) for each in items)
        if not undefined:
            return self.element(tag, vr, content)
        return self.element(tag, vr, content + struct.pack(f"{self.order}HHL", 0xFFFE, 0xE0DD, 0), 0xFFFFFFFF)


STYLES: Final = (
    Style(False, "<", b"1.2.840.10008.1.2.1\0"),
    Style(True, "<", b"1.2.840.10008.1.2\0"),
    Style(False, ">", b"1.2.840.10008.1.2.2\0"),
)
VALUES = st.one_of(
    st.sampled_from(
        (
            *(
                NAME,
                NAME.upper(),
                b"Karianne Zqvistgaard",
                b"zqvistgaard, karianne ",
                PATIENT_ID,
                b"id " + PATIENT_ID + b" ",
            ),
            *(b"1.2.826.0.19770411.3", b"1.2.3\\1.2.826.0.19770411.9", b"born 1977-04-11", b"20240311", b"1.5\\-2 "),
            *(b"", b"YES ", b"094Y", b"HEAD", b"20240311101010.5", b"10:10", "Zqvistgård".encode("latin-1")),
        )
    ),
    st.binary(max_size=12).map(lambda value: value + b"\0" * (len(value) % 2)),
)


def even(value: bytes) -> bytes:
    """Padded."""
    return value + b" " * (len(value) % 2)


@st.composite
def elements(draw: st.DrawFn, style: Style, depth: int) -> bytes:
    """Some elements, in order or not, with duplicates, private ones, wrong VRs and nested ones."""
    parts: list[tuple[int, bytes]] = []
    for _ in range(draw(st.integers(0, 6))):
        kind = draw(st.integers(0, 9))
        if kind < 3 and depth < 4:
            tag = (
                draw(st.sampled_from(SEQUENCES))
                if kind < 2
                else draw(st.sampled_from((0x00091001, 0x00291110, 0x00180050)))
            )
            items = [draw(elements(style, depth + 1)) for _ in range(draw(st.integers(0, 2)))]
            vr = draw(st.sampled_from((b"SQ", b"SQ", b"SQ", b"UN")))
            parts.append((tag, style.sequence(tag, items, draw(st.booleans()), vr)))
            continue
        if kind == 9:
            tag = draw(st.integers(0x0009, 0x7FDF)) << 16 | draw(st.integers(0, 0xFFFF))
        else:
            tag = draw(st.sampled_from(KNOWN))
        expected = DICTIONARY.get(tag, (b"LO",))[0]
        vr = expected if draw(st.integers(0, 3)) and expected != b"SQ" else draw(st.sampled_from(SHORT + LONG[:6]))
        parts.append((tag, style.element(tag, vr, even(draw(VALUES)))))
    if draw(st.booleans()):
        parts.sort(key=lambda part: part[0])
    return b"".join(part for _, part in parts)


@st.composite
def files(draw: st.DrawFn) -> bytes:
    """A whole file of somebody whose name, number and UIDs are SECRETS."""
    style = draw(st.sampled_from(STYLES))
    own = {
        0x00080016: (b"UI", CT.encode() + b"\0"),
        0x00080018: (b"UI", b"1.2.826.0.19770411.3"),
        0x00080060: (b"CS", b"CT"),
        0x00100010: (b"PN", NAME),
        0x00100020: (b"LO", PATIENT_ID),
        0x00100030: (b"DA", BIRTH),
        0x0020000D: (b"UI", b"1.2.826.0.19770411.1"),
        0x0020000E: (b"UI", b"1.2.826.0.19770411.2"),
    }
    head = b"".join(style.element(tag, vr, even(value)) for tag, (vr, value) in own.items())
    body = head + draw(elements(style, 0))
    if draw(st.booleans()):
        body += style.element(0x7FE00010, b"OW", bytes(32)) + draw(st.sampled_from((b"", NAME, b"\0\0")))
    meta = (
        struct.pack("<HH2sHL", 2, 0, b"UL", 4, 28)
        + struct.pack("<HH2sH", 2, 0x10, b"UI", len(style.syntax))
        + style.syntax
    )
    return NAME.ljust(128, b"\0") + b"DICM" + meta + body
