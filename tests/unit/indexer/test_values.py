"""What bytes say, and how a value is shown."""

import pytest

from services.indexer.headers import values


@pytest.mark.parametrize(
    ("vr", "raw", "value"),
    [
        ("CS", b"ORIGINAL\\PRIMARY ", ["ORIGINAL", "PRIMARY"]),
        ("DS", b" 1.50 ", "1.50"),
        ("US", b"\x01\x00\x02\x00", [1, 2]),
        ("US", b"\x01\x00\x02", 1),
        ("US", b"", None),
        ("FD", b"\0\0\0\0\0\0\xf8\x3f", 1.5),
        ("LO", b"a\0\0", "a"),
        ("ST", b"a\\b", "a\\b"),
        ("UN", b"text ", "text"),
        ("UN", b"\x01\x02", None),
        ("OB", b"abc", None),
        (None, b"7\\8", ["7", "8"]),
        ("ZZ", b"abc", None),
    ],
)
def test_decode(vr: str | None, raw: bytes, value: object) -> None:
    assert values.decode(vr, raw, ("iso8859",), little_endian=True) == value


def test_two_byte_characters_are_decoded_before_a_backslash_is_looked_for() -> None:
    assert values.decode("LO", "表\\a".encode("gb18030"), ("gb18030",), True) == ["表", "a"]
    assert values.decode("LO", "表".encode("shift_jis"), ("shift_jis",), True) == "表"


@pytest.mark.parametrize(
    ("value", "vr", "text"),
    [
        (["A", "B"], "CS", "['A', 'B']"),
        (["1.0", "2"], "DS", "[1.0, 2]"),
        ([0, 256], "US", "[0, 256]"),
        ("A", "CS", "A"),
        (None, "CS", ""),
    ],
)
def test_shown_as_the_original_shows_it(value: values.Value, vr: str, text: str) -> None:
    assert values.shown(value, vr) == text


@pytest.mark.parametrize(
    ("value", "number"),
    [("1e3", 1000.0), (["2"], 2.0), ("x", None), (None, None), ("", None), (["1", "2"], None)],
)
def test_number(value: object, number: float | None) -> None:
    assert values.number(value) == number


def test_unknown_character_sets_are_left_out() -> None:
    assert values.encodings_of(b"\\ISO 2022 IR 87") == ("iso8859", "iso2022_jp")
    assert values.encodings_of(b"nonsense") == values.DEFAULT_ENCODINGS
    assert values.encodings_of(None) == values.DEFAULT_ENCODINGS
