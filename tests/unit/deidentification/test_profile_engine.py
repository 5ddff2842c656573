"""Every row of E.1-1 through the engine: values planted at the top level, in an item and in a per-frame group.

The expected act is the one that the independent resolver of test_profile_rows finds; here the bytes are looked at.
"""

from collections.abc import Callable, Iterator
from datetime import date, timedelta
from functools import cache
from io import BytesIO

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from deidentification.dataset import dates
from deidentification.profiles.protected import CARRIER, METHOD, OBJECT, PROTECTED
from deidentification.profiles.rules import Act
from deidentification.standard.dictionary import DICTIONARY
from tests.unit.deidentification.builders import SUBJECT, Bench, ct, encoded, raw, split
from tests.unit.deidentification.test_profile_rows import (
    ALL,
    CLASSES,
    ENGINE_OWN,
    PAIRS,
    ROWS,
    SINGLES,
    TYPES_OF,
    expected,
    profile_of,
)

CT = "1.2.840.10008.5.1.4.1.1.2"
MR = "1.2.840.10008.5.1.4.1.1.4.1"
ITEM, PER_FRAME, FRAME_CONTENT = 0x00540016, 0x52009230, 0x00209111
DAYS = SUBJECT.shift_days
# Where each row is planted: the top level (where it has no value of the engine's own), items, per-frame groups.
LEVELS: dict[str, Callable[[Dataset], Dataset]] = {
    "top": lambda data: data,
    "item": lambda data: _item(data, ITEM),
    "per-frame": lambda data: _item(data, PER_FRAME),
    "macro": lambda data: _item(_item(data, PER_FRAME), FRAME_CONTENT),
}
OFFSETS = {"top": 10_000, "item": 20_000, "per-frame": 30_000, "macro": 40_000}
ANEW = {tag for tag, why in PROTECTED.items() if why in (CARRIER, METHOD, OBJECT)} | {0x00120030, 0x00120031}
# After or beside the pixels, inside report trees, or drawings that go unless their option cleans them.
ELSEWHERE = {0xFFFAFFFA, 0xFFFCFFFC, 0x0040A730, 0x00700001} | ENGINE_OWN


def _item(data: Dataset, tag: int) -> Dataset:
    return Sequence(data[tag].value)[0]


def planted(tag: int, number: int) -> bytes:
    """A value that is valid for the VR and stands nowhere else."""
    vr = DICTIONARY[tag][0]
    day = (date(1890, 1, 1) + timedelta(days=number)).strftime("%Y%m%d").encode()
    values = {
        b"AE": b"QAE%05d" % number,
        b"AS": b"095Y",
        b"CS": b"QCS%05d" % number,
        b"DA": day,
        b"DT": day + b"101112",
        b"TM": b"1%d%02d%02d" % (number % 10, number % 60, number % 59),
        b"DS": b"7.25",
        b"IS": b"72",
        b"PN": b"Qpn%05dx^Qgn%05dx" % (number, number),
        b"UI": b"1.2.77.%d" % number,
        b"UR": b"http://q%05d/" % number,
        b"SQ": b"",
    }
    text = values.get(vr, b"Qxt%05dz" % number)
    if vr in (b"US", b"OB", b"UN"):
        return number.to_bytes(2, "little")
    return text + b"\0" * (len(text) % 2) if vr == b"UI" else text + b" " * (len(text) % 2)


def code_item() -> bytes:
    """The inside of a planted sequence: a code of the Standard's."""
    content = raw(0x00080100, b"SH", b"113100") + raw(0x00080102, b"SH", b"DCM ") + raw(0x00080104, b"LO", b"Head")
    return raw(0xFFFEE000, b"", content)[:4] + len(content).to_bytes(4, "little") + content


def rows_at(offset: int, most: int = 0x7FE00000) -> dict[int, bytes]:
    """Every row as an element, with numbers that differ from level to level."""
    found = {}
    for index, tag in enumerate(sorted(ROWS)):
        if tag < most and tag not in ELSEWHERE:
            vr = DICTIONARY[tag][0]
            value = code_item() if vr == b"SQ" else planted(tag, offset + index)
            found[tag] = raw(tag, vr, value)
    return found


def sequence(tag: int, content: bytes) -> bytes:
    """A sequence with one item."""
    return raw(tag, b"SQ", b"\xfe\xff\x00\xe0" + len(content).to_bytes(4, "little") + content)


def joined(elements: dict[int, bytes]) -> bytes:
    return b"".join(elements[tag] for tag in sorted(elements))


@cache
def source(sop_class: str) -> bytes:
    """An object with every row at every level, in tag order."""
    whole = encoded(ct(SOPClassUID=sop_class, SpecificCharacterSet=None))
    start = 144 + int.from_bytes(whole[140:144], "little")
    head, pixels = split(whole)
    inner = rows_at(OFFSETS["per-frame"])
    inner[FRAME_CONTENT] = sequence(FRAME_CONTENT, joined(rows_at(OFFSETS["macro"])))
    top = {tag: content for tag, content in rows_at(OFFSETS["top"]).items() if tag not in ANEW}
    top[ITEM] = sequence(ITEM, joined(rows_at(OFFSETS["item"])))
    top[PER_FRAME] = sequence(PER_FRAME, joined(inner))
    for element in pydicom.dcmread(BytesIO(whole), stop_before_pixels=True):
        tag = int(element.tag)
        if tag not in top:
            value = head[start:]
            at = value.index(raw(tag, element.VR.encode(), b"")[:6])
            length = int.from_bytes(value[at + 6 : at + 8], "little")
            top[tag] = value[at : at + 8 + length]
    return head[:start] + joined(top) + pixels


def outcome(act: Act, tag: int, before: bytes, after: bytes | None, data: Dataset, moves: bool) -> bool:
    """Whether what stands in the result is what the act makes of the planted value."""
    if after is None:
        return act is Act.DROP
    bare, old = after.rstrip(b" \0"), before.rstrip(b" \0")
    match act:
        case Act.EMPTY:
            return bare == b""
        case Act.DUMMY:
            return after not in (b"", before)
        case Act.UID:
            return bare.startswith(b"2.25.")
        case Act.KEEP | Act.TIME | Act.VERSION:
            return after == before
        case Act.DATE:
            return bare == (dates.shift(old, DAYS, DICTIONARY[tag][0]) if moves else old)
        case Act.AGE:
            return bare == b"090Y"
        case Act.HASH:
            return bare not in (b"", old) and b"QAE" not in bare
        case Act.CLEAN:
            return old not in after
        case Act.WALK | Act.CODE:
            return len(data[tag].value) == 1
    return False


def wrong(data: Dataset, level: str, options: tuple[str, ...], sop_class: str) -> Iterator[str]:
    """Rows whose value in the result is not what the table asks for."""
    known, place = TYPES_OF.get(sop_class, {}), 0 if level == "top" else 1
    here = LEVELS[level](data)
    values = {int(tag): here.get_item(tag) for tag in list(here.keys())}
    for index, tag in enumerate(sorted(ROWS)):
        if tag >= 0x7FE00000 or tag in ELSEWHERE or (level == "top" and tag in ANEW):
            continue
        act = expected(tag, options, known.get(tag, (0, 0))[place])
        found = values.get(tag)
        after = None if found is None else b"" if isinstance(found.value, Sequence) else found.value or b""
        if not outcome(act, tag, planted(tag, OFFSETS[level] + index), after, here, "retain-modified-dates" in options):
            yield f"{level} {tag:08X} {act.name}: {after!r}"


@pytest.mark.parametrize("options", [*SINGLES, *ALL], ids="+".join)
@pytest.mark.parametrize("sop_class", [CT, MR], ids=CLASSES.get)
def test_every_row_at_every_level(bench: Bench, sop_class: str, options: tuple[str, ...]) -> None:
    data = bench.read(source(sop_class), profile_of(options))
    assert [fault for level in LEVELS for fault in wrong(data, level, options, sop_class)] == []


@pytest.mark.parametrize("options", PAIRS, ids="+".join)
def test_every_row_under_pairs_of_options(bench: Bench, options: tuple[str, ...]) -> None:
    data = bench.read(source(CT), profile_of(options))
    assert [fault for level in LEVELS for fault in wrong(data, level, options, CT)] == []
