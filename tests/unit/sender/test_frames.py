"""What the frames put on the wire is read back with pynetdicom's own decoder."""

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pynetdicom.pdu import P_DATA_TF

from shared.scu.frames import Frames, fragment_size


def read(wire: bytes, max_pdu: int) -> tuple[bytes, bytes, set[int]]:
    """The command, the dataset and the presentation context IDs in a stream of P-DATA-TF PDUs."""
    command, dataset, at, ends = b"", b"", 0, 0
    contexts: set[int] = set()
    while at < len(wire):
        length = int.from_bytes(wire[at + 2 : at + 6], "big")
        assert length <= (max_pdu or 1 << 17)
        pdu = P_DATA_TF()
        pdu.decode(wire[at : at + 6 + length])
        at += 6 + length
        for item in pdu.presentation_data_value_items:
            value = item.presentation_data_value or b""
            control, data = value[0], value[1:]
            contexts.add(item.presentation_context_id or 0)
            assert ends < 2, "nothing follows the last fragment of the dataset"
            if control & 1:
                command += data
            else:
                dataset += data
            ends += bool(control & 2)
    assert ends == 2
    return command, dataset, contexts


@settings(max_examples=60, deadline=None)
@given(
    size=st.integers(0, 3_000_000),
    start=st.integers(0, 500),
    max_pdu=st.sampled_from([0, 8, 128, 4096, 16384, 131072, 1 << 30]),
    contexts=st.lists(st.sampled_from([1, 3, 255]), min_size=1, max_size=4),
)
def test_what_goes_in_comes_out(
    tmp_path_factory: pytest.TempPathFactory, size: int, start: int, max_pdu: int, contexts: list[int]
) -> None:
    if max_pdu in (8, 128):
        size = size % 3000
    content = os.urandom(start + size)
    path = tmp_path_factory.mktemp("frames") / "file"
    path.write_bytes(content)
    frames = Frames(max_pdu)
    command = os.urandom(100)
    with path.open("rb") as file:
        for context in contexts:
            pieces = [bytes(p) for p in frames.pieces(context, command, file.fileno(), start, len(content))]
            assert read(b"".join(pieces), max_pdu) == (command, content[start:], {context})


def test_the_command_and_the_first_fragment_leave_in_one_piece(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(100_000))
    with (tmp_path / "file").open("rb") as file:
        pieces = list(Frames(16384).pieces(1, b"command!", file.fileno(), 0, 100_000))
    assert len(pieces) == 1


def test_a_file_that_shrank_is_an_error_and_not_a_short_message(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(100))
    with (tmp_path / "file").open("rb") as file, pytest.raises(OSError, match="shorter"):
        list(Frames(16384).pieces(1, b"command!", file.fileno(), 0, 101))


def test_fragments_are_even_and_fit() -> None:
    for max_pdu in (0, 7, 8, 4095, 4096, 16384, 16385, 1 << 31):
        size = fragment_size(max_pdu)
        assert size % 2 == 0
        assert size >= 2
        assert max_pdu < 8 or size + 6 <= max_pdu
