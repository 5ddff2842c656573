"""One pass finds every needle that stands alone, wherever it stands and whatever stands beside it."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deidentification.dataset.encoding import EXPLICIT_BE, EXPLICIT_LE, IMPLICIT_LE, Encoding, element, item
from deidentification.gate.identity import Kind
from deidentification.gate.search import BLOCK, Index, Needle
from deidentification.gate.standing import places
from tests.unit.deidentification.builders import raw


def found(kind: Kind, form: bytes, haystack: bytes, encoding: Encoding = EXPLICIT_LE) -> bool:
    return bool(Index((Needle(kind, 0x00100010, form),)).hits(haystack, encoding))


@pytest.mark.parametrize(
    ("kind", "needle", "haystack", "expected"),
    [
        (Kind.NAME, b"HANS", b"\x06\0HANS  ", True),
        (Kind.NAME, b"HANS", b"\x06\0HANSEN", False),
        (Kind.NAME, b"HANS", b"\x04\0HANST\0\x10\0", True),
        (Kind.NAME, b"HANS", b"HANSEN HANS", True),
        (Kind.NAME, b"HANS", b"JOHANS", False),
        (Kind.UID, b"1.2.3.4", b"1.2.3.45", False),
        (Kind.UID, b"1.2.3.4", b"9.1.2.3.4", False),
        (Kind.UID, b"1.2.3.4", b"UID 1.2.3.4\0", True),
        (Kind.DATE, b"20240311", b"PPS20240311", True),
        (Kind.DATE, b"20240311", b"20240311101500.5", True),
        (Kind.DATE, b"20240311", b"202403119999", False),
        (Kind.DATE, b"20240311", b"120240311", False),
        (Kind.DATE, b"3.2.1970", b"1.3.2.1970", False),
        (Kind.DATE, b"3.2.1970", b"BORN 3.2.1970.", True),
        (Kind.PHONE, b"55975000", b"TLF55975000", True),
        (Kind.ID, b"ACC471", b"XACC471", False),
    ],
)
def test_a_hit_stands_alone(kind: Kind, needle: bytes, haystack: bytes, expected: bool) -> None:
    assert found(kind, needle, haystack) is expected


@pytest.mark.parametrize("length", [0x30, 0x41, 0x5A])
def test_the_length_before_a_value_is_no_letter(length: int) -> None:
    """In big endian the byte before a value is the low byte of its length."""
    value = b"NORDMANN".ljust(length)
    assert found(Kind.NAME, b"NORDMANN", b"\0" * 8 + element(0x00081030, b"LO", value, EXPLICIT_BE), EXPLICIT_BE)
    long = b"NORDMANN".ljust(0x4142)
    assert found(Kind.NAME, b"NORDMANN", b"\0" * 8 + element(0x00104000, b"LT", long, EXPLICIT_LE))


@given(
    st.lists(st.binary(min_size=4, max_size=12), min_size=1, max_size=30, unique=True),
    st.binary(max_size=300),
    st.data(),
)
def test_it_finds_what_searching_one_by_one_finds(forms: list[bytes], haystack: bytes, data: st.DataObject) -> None:
    forms = [form.upper() for form in forms]
    planted = data.draw(st.lists(st.sampled_from(forms), max_size=4))
    haystack = haystack.upper() + b" " + b" ".join(planted) + b" "
    index = Index(tuple(Needle(Kind.NAME, 0, form) for form in dict.fromkeys(forms)))
    hits = {needle.form for _, needle in index.hits(haystack, EXPLICIT_BE)}
    assert set(planted) <= hits
    assert all(form in haystack for form in hits)


@pytest.mark.parametrize("at", [BLOCK - 9, BLOCK - 4, BLOCK - 1, BLOCK, 2 * BLOCK - 3])
def test_blocks_overlap(at: int) -> None:
    haystack = bytearray(2 * BLOCK + 100)
    haystack[at : at + 8] = b"NORDMANN"
    assert found(Kind.NAME, b"NORDMANN", bytes(haystack))


def test_nothing_is_found_in_nothing() -> None:
    assert Index(()).hits(b"NORDMANN", EXPLICIT_LE) == []
    assert not found(Kind.NAME, b"NORDMANN", b"NOR")


@pytest.mark.parametrize("encoding", [EXPLICIT_LE, EXPLICIT_BE, IMPLICIT_LE])
def test_where_a_byte_stands(encoding: Encoding) -> None:
    inner = item(
        element(0x00081150, b"UI", b"1.2.3.4", encoding) + element(0x00081155, b"UI", b"9.8.7.6", encoding), encoding
    )
    sequence = element(0x00081140, b"SQ", inner + inner, encoding)
    dataset = element(0x00080060, b"CS", b"CT", encoding) + sequence + element(0x00180060, b"DS", b"120.5", encoding)
    meta = bytes(132) + raw(0x00020010, b"UI", b"1.2.840.10008.1.2.1\0")
    written = meta + dataset
    wanted = sorted((written.rindex(b"9.8.7.6"), written.index(b"120.5"), written.index(b"1.2.840"), 5))
    where = places(written, len(meta), encoding, wanted)
    assert [(where[at].steps, where[at].vr) for at in wanted] == [
        ((), b""),
        (((0x00020010, None),), b"UI"),
        (((0x00081140, 1), (0x00081155, None)), b"UI"),
        (((0x00180060, None),), b"DS"),
    ]


def test_what_does_not_parse_is_nowhere_but_found() -> None:
    written = bytes(132) + b"\x08\0\x08\0ZZ" + b"NORDMANN"
    at = written.index(b"NORDMANN")
    assert places(written, 132, EXPLICIT_LE, [at])[at].steps == ()


def test_no_header_takes_long() -> None:
    started = time.process_time()
    assert found(Kind.NAME, b"NORDMANN", b"NORDMANN" * 20000)
    assert not found(Kind.ID, b"123456", b"123456" * 20000)
    assert time.process_time() - started < 10
