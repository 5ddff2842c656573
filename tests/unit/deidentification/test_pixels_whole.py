"""Nothing but pixels passes with the pixels: excess, padding, and what hides in compressed frames."""

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import FileMetaDataset
from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian, RLELossless

from deidentification.dataset.source import opened
from deidentification.errors import CannotDeidentify
from deidentification.pixels import copying, wanted
from deidentification.profiles.model import Pixels
from tests.unit.deidentification.pixel_files import captured_of, dataset, saved

CANARY = b"CANARY Nordmann^Kari"
DEFLATED = "1.2.840.10008.1.2.8.1"


def copied(path: Path, tmp_path: Path) -> bytes:
    """The pixel bytes as they would stand in the result, after their element's header."""
    with opened(path) as source, (tmp_path / "out").open("w+b") as target:
        captured, header = captured_of(source, wanted(Pixels()))
        found = copying.located(source, header, captured)
        copying.copy(source, found, target.fileno(), 0)
        target.seek(0)
        content = target.read()
        length = int.from_bytes(found.header[-4:], "little" if source.syntax.encoding.little else "big")
        assert length in (0xFFFFFFFF, len(content))
        return content


def refused(path: Path, tmp_path: Path) -> str:
    with pytest.raises(CannotDeidentify) as refusal:
        copied(path, tmp_path)
    return refusal.value.rule


def noise(*shape: int, kind: str = "u1") -> Any:
    return np.random.default_rng(3).integers(1, 255, shape).astype(kind)


@pytest.mark.parametrize("frames", [noise(4, 6), noise(3, 5, 5), noise(2, 4, 4, 3), noise(3, 3, kind="u2")])
def test_text_behind_the_last_pixel_is_cut(tmp_path: Path, frames: Any) -> None:
    content = frames.tobytes() + b"X" * (frames.nbytes % 2)
    path = saved(dataset(frames, PixelData=content + CANARY), tmp_path / "in.dcm")
    assert copied(path, tmp_path) == frames.tobytes() + bytes(frames.nbytes % 2)


def test_the_pad_byte_is_zero_whatever_it_was(tmp_path: Path) -> None:
    frames = noise(3, 5)
    path = saved(dataset(frames, PixelData=frames.tobytes() + b"K"), tmp_path / "in.dcm")
    assert copied(path, tmp_path) == frames.tobytes() + b"\0"


def test_the_pad_byte_of_big_endian_words_comes_first(tmp_path: Path) -> None:
    frames = noise(3, 5)
    data = dataset(frames, PixelData=frames.tobytes() + b"K")
    data["PixelData"].VR = "OW"
    swapped = np.frombuffer(copied(saved(data, tmp_path / "in.dcm", ExplicitVRBigEndian), tmp_path), np.uint16)
    assert swapped.byteswap().tobytes() == frames.tobytes() + b"\0"


def test_an_odd_length_is_padded(tmp_path: Path) -> None:
    frames = noise(3, 5)
    path = saved(dataset(frames), tmp_path / "in.dcm")
    content = path.read_bytes()
    at = content.rindex(b"\xe0\x7f\x10\0OB")
    path.write_bytes(content[: at + 8] + struct.pack("<L", 15) + frames.tobytes())
    assert copied(path, tmp_path) == frames.tobytes() + b"\0"


def test_one_bit_and_subsampled_lengths(tmp_path: Path) -> None:
    bits = noise(3, 5, 7)
    data = dataset(bits, BitsAllocated=1, BitsStored=1, HighBit=0, PixelData=b"\x55" * 14 + CANARY)
    assert copied(saved(data, tmp_path / "in.dcm"), tmp_path) == b"\x55" * 14
    pairs = noise(4, 16)
    data = dataset(noise(4, 8, 3), PhotometricInterpretation="YBR_FULL_422", PixelData=pairs.tobytes() + CANARY)
    assert copied(saved(data, tmp_path / "in.dcm"), tmp_path) == pairs.tobytes()


def test_too_short_is_refused(tmp_path: Path) -> None:
    frames = noise(4, 6)
    path = saved(dataset(frames, PixelData=frames.tobytes()[:-2]), tmp_path / "in.dcm")
    assert refused(path, tmp_path) == "pixel-length"


def test_an_image_that_is_not_described_is_refused(tmp_path: Path) -> None:
    assert refused(saved(dataset(noise(4, 6), Rows=None), tmp_path / "in.dcm"), tmp_path) == "pixel-description"


def run_lengths(tmp_path: Path, frames: Any) -> tuple[Path, bytes, int]:
    """A run-length file, its bytes, and where its first frame begins."""
    data = dataset(frames)
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.compress(RLELossless, encoding_plugin="pydicom")
    path = saved(data, tmp_path / "in.dcm", RLELossless)
    content = path.read_bytes()
    at = content.rindex(b"\xe0\x7f\x10\0OB") + 12
    table = struct.unpack("<L", content[at + 4 : at + 8])[0]
    return path, content, at + 8 + table + 8


def test_sound_run_lengths_stay_as_they_are(tmp_path: Path) -> None:
    for frames in (noise(2, 9, 9), noise(9, 7, kind="u2"), noise(2, 5, 7, 3), np.zeros((40, 40), "u1")):
        path, content, _ = run_lengths(tmp_path, frames)
        assert content.endswith(copied(path, tmp_path)[8:])


def test_text_behind_a_run_length_segment_becomes_zeros(tmp_path: Path) -> None:
    path, content, start = run_lengths(tmp_path, noise(8, 8))
    size = struct.unpack("<L", content[start - 4 : start])[0]
    grown = content[: start - 4] + struct.pack("<L", size + len(CANARY)) + content[start : start + size]
    path.write_bytes(grown + CANARY + content[start + size :])
    result = copied(path, tmp_path)
    assert CANARY not in result
    assert result.endswith(bytes(len(CANARY)) + content[start + size :])


def test_text_in_a_literal_run_beyond_the_last_pixel_becomes_zeros(tmp_path: Path) -> None:
    path, content, start = run_lengths(tmp_path, noise(1, 2))
    literal = bytes((1 + len(CANARY),)) + b"\x11\x22" + CANARY
    frame = struct.pack("<16L", 1, 64, *([0] * 14)) + literal + bytes(len(literal) % 2)
    size = struct.unpack("<L", content[start - 4 : start])[0]
    path.write_bytes(content[: start - 4] + struct.pack("<L", len(frame)) + frame + content[start + size :])
    result = copied(path, tmp_path)
    assert CANARY not in result
    assert b"\x11\x22" in result


@pytest.mark.parametrize("place", [2, 15])
def test_text_in_a_run_length_header_is_refused(tmp_path: Path, place: int) -> None:
    path, content, start = run_lengths(tmp_path, noise(8, 8))
    path.write_bytes(content[: start + 4 * place] + b"KARI" + content[start + 4 * place + 4 :])
    assert refused(path, tmp_path) == "compressed-header"


def test_run_lengths_that_end_early_are_refused(tmp_path: Path) -> None:
    path, content, start = run_lengths(tmp_path, noise(30, 30))
    size = struct.unpack("<L", content[start - 4 : start])[0]
    path.write_bytes(
        content[: start - 4] + struct.pack("<L", 80) + content[start : start + 80] + content[start + size :]
    )
    assert refused(path, tmp_path) == "compressed-header"


def deflated(tmp_path: Path, pixels: bytes, after: bytes) -> Path:
    data = dataset(noise(8, 8))
    stream = zlib.compressobj(9, zlib.DEFLATED, -15)
    frame = stream.compress(pixels) + stream.flush() + after
    frame += bytes(len(frame) % 2)
    item = b"\xfe\xff\x00\xe0"
    data.PixelData = item + bytes(4) + item + struct.pack("<L", len(frame)) + frame
    data["PixelData"].is_undefined_length = True
    return saved(data, tmp_path / "in.dcm", UID(DEFLATED))


def test_text_behind_a_deflated_frame_becomes_zeros(tmp_path: Path) -> None:
    pixels = noise(8, 8).tobytes()
    assert copied(deflated(tmp_path, pixels, b""), tmp_path)
    assert CANARY not in copied(deflated(tmp_path, pixels, CANARY), tmp_path)


def test_a_deflated_frame_that_grows_is_refused(tmp_path: Path) -> None:
    assert refused(deflated(tmp_path, bytes(5_000_000), b""), tmp_path) == "compressed-header"
