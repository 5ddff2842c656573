"""From the file to clean pixels: every frame looked at, the text gone, the rest as it was."""

import json
import struct
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from openjpeg.utils import encode_array
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence
from pydicom.uid import (
    MPEG2MPML,
    UID,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    RLELossless,
)

from deidentification.errors import CannotDeidentify
from deidentification.pixels import Box, Plan, cleaning, windows
from deidentification.pixels.reading import Reader, reader
from deidentification.profiles.model import Pixels
from tests.unit.deidentification.pixel_files import (
    READ,
    ULTRASOUND,
    clean,
    dataset,
    picture,
    read_back,
    saved,
)

LOOK = Plan(read=True)


@pytest.fixture(scope="module")
def engine() -> Reader:
    return reader()


def ink_left(before: Any, after: Any, threshold: int = 200) -> int:
    """How many pixels of ink are still what they were."""
    return int(((before >= threshold) & (after == before)).sum())


def test_a_secondary_capture_loses_its_text_and_nothing_else(tmp_path: Path) -> None:
    before = picture()
    path = saved(dataset(before), tmp_path / "in.dcm")
    result = clean(path)
    after = read_back(path, result)
    assert ink_left(before, after.pixel_array) == 0
    assert after.BurnedInAnnotation == "NO"
    assert np.array_equal(before[100:], after.pixel_array[100:])
    assert np.array_equal(before[:50], after.pixel_array[:50])
    assert result.cleaned.transfer_syntax_uid == ExplicitVRLittleEndian


def test_what_was_read_is_told_only_to_who_may_know(tmp_path: Path) -> None:
    findings = clean(saved(dataset(picture()), tmp_path / "in.dcm")).cleaned.findings
    secret, open_ = findings.as_json(with_text=True), findings.as_json()
    assert "Nordmann" in secret
    assert "Nordmann" not in open_
    content = json.loads(open_)
    assert content["frames"][0]["frames"] == [[1, 1]]
    assert content["frames"][0]["boxes"][0]["kind"] == "text"
    assert 0.6 <= content["frames"][0]["boxes"][0]["confidence"] <= 1
    assert "Nordmann" not in repr(json.loads(open_))


def test_without_text_the_original_is_copied(tmp_path: Path) -> None:
    path = saved(dataset(picture("")), tmp_path / "in.dcm")
    result = clean(path)
    assert result.cleaned.file is None
    assert result.cleaned.attributes == {0x00280301: (b"CS", b"NO")}
    assert result.cleaned.findings.read == 1
    assert result.cleaned.findings.after == b""


def test_every_frame_is_looked_at_and_equal_ones_once(
    tmp_path: Path, engine: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, other = picture(""), picture("Hansen 17.05.1814", at=(30, 130))
    frames = np.stack([plain, plain, picture(), plain, other, picture()])
    calls = []
    lines = Reader.lines
    monkeypatch.setattr(Reader, "lines", lambda *args: (calls.append(1), lines(*args))[1])  # type: ignore[func-returns-value]
    path = saved(dataset(frames), tmp_path / "in.dcm")
    result = clean(path)
    findings = result.cleaned.findings
    assert [each.frames for each in findings.frames] == [(3, 6), (5,)]
    assert (findings.read, findings.changed) == (6, 3)
    # Three different frames, and a second look at the two that were changed.
    assert len(calls) == 5
    after = read_back(path, result).pixel_array
    assert np.array_equal(after[[0, 1, 3]], frames[[0, 1, 3]])
    assert ink_left(frames, after) == 0


def test_what_stands_still_is_hidden_in_frames_that_overlook_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = np.random.default_rng(7)
    line = np.zeros((160, 320), np.uint8)
    cv2.putText(line, "Nordmann, Kari", (20, 80), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (120,), 1, cv2.LINE_AA)
    speckle = chance.integers(20, 90, (4, 160, 320)).astype(np.uint8)
    frames = speckle + np.stack([line, line, line, np.zeros_like(line)])
    looks: list[int] = []

    def only_in_the_second(job: object, samples: object) -> list[Box]:
        looks.append(1)
        return [Box(15, 60, 200, 30, 0.9, "text", "Nordmann")] if len(looks) == 2 else []

    monkeypatch.setattr(cleaning._Job, "_found", only_in_the_second)
    path = saved(dataset(frames), tmp_path / "in.dcm")
    after = read_back(path, clean(path)).pixel_array
    assert [bool(np.array_equal(now, before)) for now, before in zip(after, frames, strict=True)] == [
        False, False, False, True,
    ]  # fmt: skip
    assert not after[:3, 62:88, 20:210].any()


def coloured(text: str = "Nordmann, Kari 030270") -> Any:
    return np.stack([picture(text)] * 3, axis=-1)


def jpeg(frame: Any) -> bytes:
    return bytes(cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, 95])[1])


CASES: dict[str, tuple[Any, dict[str, Any], UID, bytes]] = {
    "monochrome1": (255 - picture(), {"PhotometricInterpretation": "MONOCHROME1"}, ImplicitVRLittleEndian, b""),
    "twelve bits": (picture().astype("u2") * 9, {"BitsStored": 12, "HighBit": 11}, ExplicitVRLittleEndian, b""),
    "signed": (picture().astype("i2") * 20 - 1024, {}, ExplicitVRLittleEndian, b""),
    "high bits": (picture().astype("u2") << 4, {"BitsStored": 12, "HighBit": 15}, ExplicitVRLittleEndian, b""),
    "colours": (coloured(), {}, ExplicitVRLittleEndian, b""),
    "jpeg": (coloured(), {"PhotometricInterpretation": "YBR_FULL_422"}, JPEGBaseline8Bit, jpeg(coloured())),
    "jpeg grey": (picture(), {}, JPEGBaseline8Bit, jpeg(picture())),
    "jpeg 2000": (picture(), {}, JPEG2000Lossless, encode_array(picture(), photometric_interpretation=2)),
}


@pytest.mark.parametrize("name", CASES)
def test_text_is_found_however_it_is_stored(tmp_path: Path, name: str) -> None:
    frame, attributes, syntax, encoded = CASES[name]
    data = dataset(frame, **attributes)
    if encoded:
        data.PixelData = encapsulate([encoded])
        data["PixelData"].is_undefined_length = True
    path = saved(data, tmp_path / "in.dcm", syntax)
    result = clean(path)
    ink = picture() >= 200
    after = read_back(path, result)
    shown = after.pixel_array.reshape(*frame.shape).astype(int)
    black = shown.max() if after.PhotometricInterpretation == "MONOCHROME1" else shown.min()
    assert (shown[ink] == black).all()
    assert result.cleaned.findings.changed == 1


def test_text_in_bits_that_are_not_stored_is_read(tmp_path: Path) -> None:
    beside = (picture() > 200).astype("u2") << 14
    path = saved(dataset(picture("").astype("u2") + beside, BitsStored=12, HighBit=11), tmp_path / "in.dcm")
    after = read_back(path, clean(path)).pixel_array
    assert (after >> 12).max() == 0


@pytest.mark.parametrize(
    "window",
    [
        {},
        {"WindowCenter": 1008, "WindowWidth": 16},
        {"WindowCenter": [2000, 992], "WindowWidth": [4000, 32], "RescaleSlope": 2, "RescaleIntercept": -1024},
    ],
)
def test_text_that_only_a_window_makes_plain_is_read(tmp_path: Path, window: dict[str, Any]) -> None:
    frame = np.full((256, 400), 1000, "u2")
    frame[:60] = frame[200:] = np.linspace(0, 4095, 400)
    line = cv2.putText(np.zeros((256, 400), "u1"), "NORDMANN OLA 120350", (15, 128), 0, 1.0, (16,), 2, cv2.LINE_AA)
    path = saved(dataset(frame + line, BitsStored=12, HighBit=11, **window), tmp_path / "in.dcm")
    after = read_back(path, clean(path)).pixel_array
    assert ((after == frame + line) & (line > 8)).sum() == 0
    assert np.array_equal(after[:60], frame[:60])


def test_a_few_windows_of_the_header_are_looked_through() -> None:
    grey = np.arange(4096, dtype="u2").reshape(64, 64)
    captured = {0x00281050: b"100\\2048\\100\\9000\\x", 0x00281051: b"20\\4096\\21\\10\\1"}
    assert windows.of_header(captured) == ()
    captured[0x00281050] = captured[0x00281050][:-2]
    assert windows.unlike(windows.of_header(captured), windows.windows(grey), grey) == [(90, 110)]
    captured = {tag: b"\\".join(b"%d" % each for each in range(10, 2000, 10)) for tag in (0x00281050, 0x00281051)}
    asked = tuple((float(low), low + 5.0) for low in range(0, 4000, 10))
    assert len(windows.unlike(asked, [], grey)) == windows.MOST_OF_HEADER
    assert len(windows.of_header(captured)) == 199


def test_values_are_evened_out_only_where_bytes_do_not_show_them() -> None:
    assert windows.equalised(np.arange(256, dtype="u2")) is None
    assert windows.equalised(np.full(300, 0.5, "f4")) is None
    shares = windows.equalised(np.array([0, 1000, 1001, 4095], "u2"))
    assert shares is not None
    assert shares.tolist() == [31, 95, 159, 223]


def ultrasound(**attributes: Any) -> Dataset:
    frame = picture("Nordmann, Kari", at=(20, 15))
    cv2.putText(frame, "ID 030270", (60, 100), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (255,), 1, cv2.LINE_AA)
    data = dataset(np.stack([frame, picture("")]), SOPClassUID=ULTRASOUND, Modality="US", **attributes)
    region = Dataset()
    region.RegionLocationMinX0, region.RegionLocationMinY0 = 10, 30
    region.RegionLocationMaxX1, region.RegionLocationMaxY1 = 299, 149
    data.SequenceOfUltrasoundRegions = Sequence([region])
    return data


def test_ultrasound_is_masked_outside_its_regions_and_read_inside(tmp_path: Path) -> None:
    data = ultrasound()
    path = saved(data, tmp_path / "in.dcm")
    result = clean(path)
    before, after = data.pixel_array, read_back(path, result).pixel_array
    within = np.zeros(before.shape[1:], bool)
    within[30:150, 10:300] = True
    assert (after[:, ~within] == 0).all()
    assert ink_left(before, after) == 0
    assert np.array_equal(after[1][within], before[1][within])
    kinds = {box.kind for each in result.cleaned.findings.frames for box in each.boxes}
    assert kinds == {"region", "text"}


def test_a_line_on_the_edge_of_a_region_goes_whole(tmp_path: Path) -> None:
    data = ultrasound()
    frames = np.frombuffer(bytearray(data.PixelData), np.uint8).reshape(2, 160, 320)
    cv2.putText(frames[1], "Nordmann, Kari", (40, 36), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (255,), 1, cv2.LINE_AA)
    data.PixelData = frames.tobytes()
    path = saved(data, tmp_path / "in.dcm")
    assert ink_left(frames, read_back(path, clean(path)).pixel_array) == 0


def test_exempt_images_are_not_even_decoded(tmp_path: Path) -> None:
    data = dataset(picture())
    data.PixelData = encapsulate([b"\xff\xd8 no image at all"])
    data["PixelData"].is_undefined_length = True
    path = saved(data, tmp_path / "in.dcm", JPEGBaseline8Bit)
    from deidentification.dataset.source import opened
    from deidentification.pixels import cleaned, copying

    with opened(path) as source:
        nothing = copying.Pixels(b"", 0, 0, ())
        result = cleaned(source, nothing, Plan(exempt=True), {}, None)
    assert result.file is None
    assert result.findings.exempt
    assert result.attributes == {}


def refused(path: Path, plan: Plan = LOOK) -> CannotDeidentify:
    with pytest.raises(CannotDeidentify) as refusal:
        clean(path, READ, plan)
    assert "Nordmann" not in str(refusal.value)
    return refusal.value


def size_of(width: int, height: int, tile: int) -> bytes:
    """A JPEG 2000 codestream that says no more than its size."""
    body = struct.pack(">H8LH", 0, width, height, 0, 0, tile, tile, 0, 0, 1) + b"\7\1\1"
    return b"\xff\x4f\xff\x51" + struct.pack(">H", len(body) + 2) + body + b"\xff\xd9"


LYING: dict[str, tuple[bytes, UID]] = {
    "another size": (jpeg(picture("", 80, 80)), JPEGBaseline8Bit),
    "another number of samples": (jpeg(coloured()), JPEGBaseline8Bit),
    "a bomb": (size_of(60000, 60000, 60000), JPEG2000Lossless),
    "tiles of one pixel": (size_of(320, 160, 0), JPEG2000Lossless),
    "only a header": (size_of(320, 160, 320), JPEG2000Lossless),
    "half a frame": (jpeg(picture())[:200], JPEGBaseline8Bit),
    "no decoder": (b"\1\2\3\4", UID("1.2.840.10008.1.2.8.1")),
}


@pytest.mark.parametrize("name", LYING)
def test_what_cannot_be_decoded_is_refused(tmp_path: Path, name: str) -> None:
    encoded, syntax = LYING[name]
    data = dataset(picture())
    data.PixelData = encapsulate([encoded])
    data["PixelData"].is_undefined_length = True
    path = saved(data, tmp_path / "in.dcm", syntax)
    assert refused(path).rule in ("pixel-decode", "compressed-header")


def test_frames_that_are_missing_are_refused(tmp_path: Path) -> None:
    data = dataset(np.stack([picture(), picture()]), NumberOfFrames=3)
    data.PixelData = encapsulate([jpeg(picture()), jpeg(picture())])
    data["PixelData"].is_undefined_length = True
    assert refused(saved(data, tmp_path / "in.dcm", JPEGBaseline8Bit)).rule == "pixel-decode"


def test_frames_in_several_fragments(tmp_path: Path) -> None:
    encoded = [jpeg(picture()), jpeg(picture("Hansen 17.05.1814"))]
    for has_table in (True, False):
        data = dataset(np.stack([picture(), picture()]))
        data.PixelData = encapsulate(encoded, fragments_per_frame=3, has_bot=has_table)
        data["PixelData"].is_undefined_length = True
        path = saved(data, tmp_path / "in.dcm", JPEGBaseline8Bit)
        findings = clean(path).cleaned.findings
        assert sorted(number for each in findings.frames for number in each.frames) == [1, 2]


def test_an_image_that_claims_to_be_huge_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    data = dataset(picture(), Rows=60000, Columns=60000)
    data.PixelData = encapsulate([size_of(60000, 60000, 60000)])
    data["PixelData"].is_undefined_length = True
    assert refused(saved(data, tmp_path / "in.dcm", JPEG2000Lossless)).rule == "pixel-size"


@pytest.mark.parametrize("syntax", [MPEG2MPML, UID("1.2.840.10008.1.2.4.107"), UID("1.2.840.10008.1.2.4.102.1")])
def test_video_is_never_decoded(tmp_path: Path, syntax: UID) -> None:
    data = dataset(picture())
    data.PixelData = encapsulate([b"\0\0\1\xb3 video"])
    data["PixelData"].is_undefined_length = True
    assert refused(saved(data, tmp_path / "in.dcm", syntax)).rule == "text-in-pixels"


def test_text_that_comes_back_is_held_until_a_reviewer_lets_it_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from deidentification.pixels import Box

    places = iter(range(0, 300, 10))
    monkeypatch.setattr(Reader, "lines", lambda *_: [Box(next(places), 3, 10, 10, 0.9, "text", "KARI")])
    path = saved(dataset(picture("")), tmp_path / "in.dcm")
    assert refused(path).rule == "pixel-text"
    assert clean(path, READ, Plan(read=True, verified=False)).cleaned.findings.changed == 1


def test_jpeg_ls_of_another_library(tmp_path: Path) -> None:
    jpeg_ls = pytest.importorskip("jpeg_ls")
    options: dict[str, Any] = {
        "rows": 160,
        "columns": 320,
        "samples_per_pixel": 1,
        "bits_stored": 8,
        "bits_allocated": 8,
    }
    options |= {"bits_allocated": 8, "pixel_representation": 0, "photometric_interpretation": "MONOCHROME2"}
    data = dataset(picture())
    data.PixelData = encapsulate([jpeg_ls.encode_pixel_data(picture().tobytes(), **options)])
    data["PixelData"].is_undefined_length = True
    path = saved(data, tmp_path / "in.dcm", JPEGLSLossless)
    assert ink_left(picture(), read_back(path, clean(path)).pixel_array) == 0


def test_run_lengths_with_text_become_native(tmp_path: Path) -> None:
    from pydicom.dataset import FileMetaDataset

    data = dataset(np.stack([picture(""), picture()]))
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.compress(RLELossless, encoding_plugin="pydicom", generate_instance_uid=False)
    path = saved(data, tmp_path / "in.dcm", RLELossless)
    result = clean(path, Pixels(images="all"))
    after = read_back(path, result)
    assert after.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
    assert np.array_equal(after.pixel_array[0], picture(""))
    assert ink_left(picture(), after.pixel_array[1]) == 0
