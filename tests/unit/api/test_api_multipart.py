"""Multipart bodies: however they are cut, and whatever is wrong with them."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.api.problems import Problem
from services.api.stow.multipart import Body, PartBegins, PartData, PartEnds, boundary_of
from tests.unit.api.support import chunks, multipart

PIECES = st.sampled_from([b"\r\n", b"--x", b"\r\n--", b"\r\n--y", b"-", b"\r", b"\0", b"DICM", b"x--"])
CONTENTS = st.lists(PIECES, max_size=20).map(b"".join).filter(lambda each: b"\r\n--xyz" not in each)


def parts(body: Body, content: bytes, size: int) -> list[tuple[str, bytes]]:
    """(media type, content) of the parts that were whole."""
    found: list[tuple[str, bytes]] = []
    kind, data = "", b""
    for chunk in chunks(content, size):
        for step in body.feed(chunk):
            match step:
                case PartBegins(media_type):
                    kind, data = media_type, b""
                case PartData(more):
                    data += more
                case PartEnds():
                    found.append((kind, data))
    return found


@given(st.lists(CONTENTS, min_size=1, max_size=5), st.integers(1, 40))
def test_every_cut_gives_the_same_parts(contents: list[bytes], size: int) -> None:
    body = Body(b"xyz")
    assert parts(body, multipart(contents, "xyz"), size) == [("application/dicom", each) for each in contents]
    assert body.complete


@given(st.binary(max_size=300), st.integers(1, 40))
def test_rubbish_is_a_problem_or_nothing(rubbish: bytes, size: int) -> None:
    body = Body(b"xyz")
    found: list[tuple[str, bytes]] = []
    with suppress(Problem):
        found = parts(body, rubbish, size)
    assert found == []
    assert not body.complete


def test_types_of_parts() -> None:
    content = b'--x\r\ncontent-TYPE: Application/DICOM; transfer-syntax="1.2"\r\nContent-Length: 1\r\n\r\na\r\n'
    content += b"--x\r\nContent-Type: application/dicom+json\r\n\r\nb\r\n--x\r\n\r\nc\r\n--x--"
    assert parts(Body(b"x"), content, 7) == [
        ("application/dicom", b"a"),
        ("application/dicom+json", b"b"),
        ("application/dicom", b"c"),
    ]


@pytest.mark.parametrize(
    "header",
    [
        "multipart/related; type=application/dicom; boundary=abc",
        'multipart/related; type="application/dicom"; boundary="abc"',
        'Multipart/Related; Boundary=abc; Type="Application/DICOM"',
        "multipart/related; boundary=abc",
    ],
)
def test_boundaries(header: str) -> None:
    assert boundary_of(header) == b"abc"


@pytest.mark.parametrize(
    ("header", "kind"),
    [
        ("", "unsupported-media-type"),
        ("application/dicom", "unsupported-media-type"),
        ("multipart/form-data; boundary=abc", "unsupported-media-type"),
        ('multipart/related; type="application/dicom+json"; boundary=abc', "unsupported-media-type"),
        ('multipart/related; type="application/dicom"', "malformed-request"),
        ('multipart/related; boundary=""', "malformed-request"),
        (f"multipart/related; boundary={'a' * 201}", "malformed-request"),
        ('multipart/related; boundary="a\u00e9"', "malformed-request"),
    ],
)
def test_what_is_not_taken(header: str, kind: str) -> None:
    with pytest.raises(Problem) as caught:
        boundary_of(header)
    assert caught.value.kind == kind
