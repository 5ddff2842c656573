"""What is transcoded has the same pixels and UIDs; what cannot be decoded to the same pixels is not touched."""

import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from services.sender.clients.transcode import CannotTranscode, transcode
from tests.unit.sender.builders import BUNDLED, LOSSLESS


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
@pytest.mark.parametrize("name", [*LOSSLESS, "SC_rgb_jpeg_gdcm.dcm"])
def test_pixels_and_uids_stay(name: str, syntax: str) -> None:
    before = dcmread(BUNDLED / name)
    with transcode(BUNDLED / name, syntax) as file:
        file.seek(0)
        after = dcmread(file)
    assert after.file_meta.TransferSyntaxUID == syntax
    assert after.SOPInstanceUID == before.SOPInstanceUID
    assert np.array_equal(after.pixel_array, before.pixel_array)
    differing = {e.keyword for e in after if e.tag not in before or before[e.tag] != e}
    assert differing <= {"PixelData", "PhotometricInterpretation", "PlanarConfiguration"}


@pytest.mark.parametrize(
    "name", ["SC_rgb_jpeg_dcmtk.dcm", "JPEGLSNearLossless_16.dcm", "MR_small_bigendian.dcm", "693_J2KI.dcm"]
)
def test_what_cannot_stay_the_same_is_refused(name: str) -> None:
    with pytest.raises(CannotTranscode):
        transcode(BUNDLED / name, ExplicitVRLittleEndian)


def test_nothing_is_written_to_the_folder_for_temporary_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A container's /tmp holds 64 MiB, and what is uncompressed may be larger."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    copied = Path(shutil.copy(BUNDLED / "MR_small_RLE.dcm", tmp_path))
    with transcode(copied, ExplicitVRLittleEndian) as file:
        file.seek(0)
        assert dcmread(file).file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
    assert list(tmp_path.iterdir()) == [copied]


def test_a_broken_file_is_refused(tmp_path: Path) -> None:
    content = (BUNDLED / "MR_small_jp2klossless.dcm").read_bytes()
    (tmp_path / "broken.dcm").write_bytes(content[: len(content) - 3000])
    with pytest.raises(CannotTranscode):
        transcode(tmp_path / "broken.dcm", ExplicitVRLittleEndian)
