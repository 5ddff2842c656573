"""Rectangles in every kind of pixel: what is covered is black, everything else is what it was."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from openjpeg.utils import encode_array
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    HTJ2K,
    UID,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    RLELossless,
)

from deidentification.errors import CannotDeidentify
from deidentification.pixels import Box, Plan
from deidentification.profiles.model import DeviceMask, Mask, Pixels
from tests.unit.deidentification.pixel_files import clean, dataset, read_back, saved

NATIVE = (ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian)
CORNER = DeviceMask(name="corner", where={}, masks=(Mask(x=1, y=1, width=3, height=2),))
PLAN = Plan(masks=(CORNER,))
NONE = Pixels()
HIDDEN = (slice(1, 3), slice(1, 4))


def noise(*shape: int, kind: str = "u1", most: int = 255) -> NDArray[Any]:
    return np.random.default_rng(7).integers(1, most, shape).astype(kind)


def masked(tmp_path: Path, data: Dataset, syntax: UID = ExplicitVRLittleEndian, plan: Plan = PLAN) -> Dataset:
    path = saved(data, tmp_path / "in.dcm", syntax)
    return read_back(path, clean(path, NONE, plan))


def outside_is_equal(before: NDArray[Any], after: NDArray[Any]) -> None:
    kept = np.ones(before.shape, bool)
    kept[(..., *HIDDEN)] = False
    assert np.array_equal(before[kept], after[kept])


@pytest.mark.parametrize("syntax", NATIVE)
@pytest.mark.parametrize(
    ("kind", "attributes", "black"),
    [
        ("u1", {}, 0),
        ("u1", {"PhotometricInterpretation": "MONOCHROME1"}, 255),
        ("u2", {"BitsStored": 12, "HighBit": 11}, 0),
        ("u2", {"BitsStored": 12, "HighBit": 11, "PhotometricInterpretation": "MONOCHROME1"}, 4095),
        ("u2", {"PixelPaddingValue": 0}, 1),
        ("u4", {}, 0),
    ],
)
def test_monochrome(tmp_path: Path, syntax: UID, kind: str, attributes: dict[str, Any], black: int) -> None:
    frames = noise(3, 5, 7, kind=kind, most=200)
    after = masked(tmp_path, dataset(frames, **attributes), syntax).pixel_array
    assert (after[(..., *HIDDEN)] == black).all()
    outside_is_equal(frames, after)


def test_bytes_in_big_endian_words(tmp_path: Path) -> None:
    """Frames of an odd number of bytes, of which two share a word."""
    frames = noise(3, 5, 7)
    data = dataset(frames)
    data["PixelData"].VR = "OW"
    result = clean(saved(data, tmp_path / "in.dcm", ExplicitVRBigEndian), NONE, PLAN)
    assert result.cleaned.vr == b"OW"
    after = np.frombuffer(result.pixels, np.uint16).byteswap().view(np.uint8)[:105].reshape(3, 5, 7)
    assert (after[(..., *HIDDEN)] == 0).all()
    outside_is_equal(frames, after)


def test_signed_black_is_the_frames_own_darkest(tmp_path: Path) -> None:
    frames = noise(4, 8, 8, kind="i2", most=900) - 500
    data = dataset(frames, BitsStored=16, PixelPaddingValue=-2000)
    after = masked(tmp_path, data).pixel_array
    assert [frame[HIDDEN].max() for frame in after] == [frame.min() for frame in frames]
    outside_is_equal(frames, after)


@pytest.mark.parametrize("planar", [0, 1])
@pytest.mark.parametrize("syntax", NATIVE)
def test_colours_in_both_planar_configurations(tmp_path: Path, planar: int, syntax: UID) -> None:
    frames = noise(2, 5, 7, 3)
    stored = frames.transpose(0, 3, 1, 2) if planar else frames
    data = dataset(frames, PlanarConfiguration=planar, PixelData=stored.tobytes())
    after = masked(tmp_path, data, syntax)
    assert after.PlanarConfiguration == planar
    assert (after.pixel_array[:, 1:3, 1:4] == 0).all()
    outside_is_equal(frames.transpose(3, 0, 1, 2), after.pixel_array.transpose(3, 0, 1, 2))


def test_ybr_black_is_not_green(tmp_path: Path) -> None:
    data = dataset(noise(6, 8, 3), PhotometricInterpretation="YBR_FULL")
    path = saved(data, tmp_path / "in.dcm")
    result = clean(path, NONE, PLAN)
    frame = np.frombuffer(result.pixels, np.uint8).reshape(6, 8, 3)
    assert (frame[1:3, 1:4] == (0, 128, 128)).all()
    assert read_back(path, result).PhotometricInterpretation == "YBR_FULL"


@pytest.mark.parametrize(("photometric", "luma"), [("YBR_FULL_422", 0), ("YBR_PARTIAL_422", 16)])
def test_subsampled_colours_stay_subsampled(tmp_path: Path, photometric: str, luma: int) -> None:
    pairs = noise(6, 4, 4)
    data = dataset(noise(6, 8, 3), PhotometricInterpretation=photometric, PixelData=pairs.tobytes())
    result = clean(saved(data, tmp_path / "in.dcm"), NONE, PLAN)
    after = np.frombuffer(result.pixels, np.uint8).reshape(6, 4, 4)
    assert (after[1:3, 0:2] == (luma, luma, 128, 128)).all()
    assert np.array_equal(after[3:], pairs[3:])
    assert np.array_equal(after[:, 2:], pairs[:, 2:])


def test_subsampled_in_name_only(tmp_path: Path) -> None:
    frame = noise(6, 8, 3)
    data = dataset(frame, PhotometricInterpretation="YBR_FULL_422")
    result = clean(saved(data, tmp_path / "in.dcm"), NONE, PLAN)
    after = np.frombuffer(result.pixels, np.uint8).reshape(6, 8, 3)
    assert (after[1:3, 1:4] == (0, 128, 128)).all()
    assert np.array_equal(after[3:], frame[3:])


def test_palette_black_is_the_darkest_entry(tmp_path: Path) -> None:
    data = dataset(noise(6, 8, most=4), PhotometricInterpretation="PALETTE COLOR")
    for name in ("Red", "Green", "Blue"):
        setattr(data, f"{name}PaletteColorLookupTableDescriptor", [4, 0, 16])
        setattr(data, f"{name}PaletteColorLookupTableData", np.array([65535, 30000, 0, 9000], "<u2").tobytes())
    assert (masked(tmp_path, data).pixel_array[HIDDEN] == 2).all()


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_one_bit_frames_share_bytes(tmp_path: Path, photometric: str) -> None:
    frames = noise(5, 5, 7, most=3) - 1
    packed = np.packbits(frames.ravel(), bitorder="little").tobytes()
    data = dataset(
        frames, PhotometricInterpretation=photometric, BitsAllocated=1, BitsStored=1, HighBit=0,
        PixelData=packed + bytes(len(packed) % 2),
    )  # fmt: skip
    after = masked(tmp_path, data).pixel_array
    assert (after[(..., *HIDDEN)] == (photometric == "MONOCHROME1")).all()
    outside_is_equal(frames, after)


def test_floats(tmp_path: Path) -> None:
    frames = np.random.default_rng(1).normal(size=(2, 6, 8)).astype("<f4")
    data = dataset(noise(2, 6, 8, kind="u4"))
    del data.PixelData
    data.FloatPixelData = frames.tobytes()
    result = clean(saved(data, tmp_path / "in.dcm"), NONE, PLAN)
    after = np.frombuffer(result.pixels, "<f4").reshape(frames.shape)
    assert [frame[HIDDEN].max() for frame in after] == [frame.min() for frame in frames]
    outside_is_equal(frames, after)


def compressed(frames: NDArray[Any], syntax: UID, **attributes: Any) -> Dataset:
    """The same as a compressed object, losslessly."""
    data = dataset(frames, **attributes)
    if syntax == RLELossless:
        data.file_meta = FileMetaDataset()
        data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        data.compress(syntax, encoding_plugin="pydicom", generate_instance_uid=False)
    else:
        colours = 1 if data.SamplesPerPixel == 3 else 2
        encoded = [
            encode_array(frame, photometric_interpretation=colours, bits_stored=data.BitsStored) for frame in frames
        ]
        data.PixelData = encapsulate(encoded)
        data["PixelData"].VR = "OB"
        data["PixelData"].is_undefined_length = True
        data.PhotometricInterpretation = "YBR_RCT" if data.SamplesPerPixel == 3 else data.PhotometricInterpretation
    return data


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless, HTJ2K])
@pytest.mark.parametrize("coloured", [False, True])
def test_compressed_frames_are_written_native(tmp_path: Path, syntax: UID, coloured: bool) -> None:
    frames = noise(3, 64, 64, 3) if coloured else noise(3, 64, 64, kind="u2", most=4000)
    bits = {} if coloured else {"BitsStored": 12, "HighBit": 11}
    path = saved(compressed(frames, syntax, **bits), tmp_path / "in.dcm", syntax)
    result = clean(path, NONE, PLAN)
    after = read_back(path, result)
    assert result.cleaned.transfer_syntax_uid == ExplicitVRLittleEndian
    assert result.cleaned.attributes[0x7FE00001] is None
    assert after.PhotometricInterpretation == ("RGB" if coloured else "MONOCHROME2")
    assert (after.pixel_array[:, 1:3, 1:4] == 0).all()
    assert np.array_equal(frames[:, 4:], after.pixel_array[:, 4:])


def test_frames_before_the_first_changed_one_are_written_too(tmp_path: Path) -> None:
    frames = noise(4, 64, 64)
    frames[:2, 1:3, 1:4] = 0
    path = saved(compressed(frames, RLELossless), tmp_path / "in.dcm", RLELossless)
    outside_is_equal(frames, read_back(path, clean(path, NONE, PLAN)).pixel_array)


@pytest.mark.parametrize(
    "name", ["SC_rgb_jpeg_gdcm.dcm", "SC_rgb_dcmtk_+eb+cy+np.dcm", "SC_rgb_rle_2frame.dcm", "examples_ybr_color.dcm"]
)
def test_colours_are_converted_once(name: str) -> None:
    path = Path(str(get_testdata_file(name, download=False)))
    before, after = dcmread(path), read_back(path, clean(path, NONE, PLAN))
    assert after.PhotometricInterpretation == "RGB"
    assert np.array_equal(before.pixel_array[..., 4:, :, :], after.pixel_array[..., 4:, :, :])


def test_findings_name_the_mask_and_show_before_and_after(tmp_path: Path) -> None:
    path = saved(dataset(noise(3, 700, 30, most=200)), tmp_path / "in.dcm")
    findings = clean(path, NONE, PLAN).cleaned.findings
    assert findings.masks == ("corner",)
    assert (findings.read, findings.changed) == (0, 3)
    assert findings.frames[0].frames == (1, 2, 3)
    assert findings.frames[0].boxes == (Box(1, 1, 3, 2, 1.0, "mask"),)
    assert findings.before.startswith(b"\x89PNG")
    assert findings.after != findings.before
    assert max(int.from_bytes(findings.after[at : at + 4], "big") for at in (16, 20)) == 512


def test_a_mask_for_another_size_changes_nothing(tmp_path: Path) -> None:
    path = saved(dataset(noise(5, 7)), tmp_path / "in.dcm")
    other = DeviceMask(name="other", where={}, rows=512, masks=CORNER.masks)
    assert clean(path, NONE, Plan(masks=(other,))).cleaned.file is None


def test_a_frame_that_already_is_black_keeps_the_file(tmp_path: Path) -> None:
    path = saved(dataset(np.zeros((5, 7), np.uint8)), tmp_path / "in.dcm")
    result = clean(path, NONE, PLAN)
    assert result.cleaned.file is None
    assert result.cleaned.findings.changed == 0


def test_untouched_frames_keep_their_bytes(tmp_path: Path) -> None:
    frames = noise(6, 9, 9)
    frames[2:5, 1:3, 1:4] = 0
    path = saved(dataset(frames), tmp_path / "in.dcm")
    result = clean(path, NONE, PLAN)
    assert result.cleaned.findings.changed == 3
    outside_is_equal(frames, np.frombuffer(result.pixels[: frames.size], np.uint8).reshape(frames.shape))


@pytest.mark.parametrize(
    "attributes",
    [{"BitsAllocated": 12, "BitsStored": 12}, {"BitsStored": 9}, {"Rows": 0}, {"NumberOfFrames": "2000000000"}],
)
def test_descriptions_that_lie_are_refused(tmp_path: Path, attributes: dict[str, Any]) -> None:
    path = saved(dataset(noise(8, 8), **attributes), tmp_path / "in.dcm")
    with pytest.raises(CannotDeidentify) as refusal:
        clean(path, NONE, PLAN)
    assert refusal.value.rule in ("pixel-description", "pixel-length")
