"""Siemens CSA headers, real and hostile."""

import gzip
import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from services.indexer.headers import fields, siemens
from services.indexer.headers.header import read, with_creators
from tests.unit.indexer.samples import NIBABEL, PYDICOM, dataset, header

WANTED = with_creators([*fields.TAGS.values(), *siemens.TAGS])


def with_csa(image: bytes = b"", series: bytes = b"") -> Dataset:
    made = dataset(Manufacturer="SIEMENS")
    block = made.private_block(0x0029, "SIEMENS CSA HEADER", create=True)
    block.add_new(0x10, "OB", image)
    block.add_new(0x20, "OB", series)
    return made


def csa(**tags: str) -> bytes:
    """A CSA2 header with one text per tag."""
    data = b"SV10\4\3\2\1" + struct.pack("<2I", len(tags), 77)
    for name, value in tags.items():
        raw = value.encode() + b"\0"
        padded = raw + bytes(-len(raw) % 4)
        data += struct.pack("<64si4s3i", name.encode(), 1, b"LO", 0, 1, 77)
        data += struct.pack("<4i", len(raw), len(raw), 77, len(raw)) + padded
    return data


def test_real_diffusion_image(tmp_path: Path) -> None:
    path = tmp_path / "dwi.dcm"
    path.write_bytes(gzip.decompress((NIBABEL / "siemens_dwi_1000.dcm.gz").read_bytes()))
    found = read(path, WANTED)
    assert siemens.is_siemens(found)
    assert siemens.series_fields(found) == {"NumSlices": "48"}
    image = siemens.image_fields(found, "1.2.3", "7")
    assert image["PhaseEncodingDirectionPositive"] == "1"
    (diffusion,) = image["siemensDiffusionInformation"]
    assert diffusion["B_value"] == "1000"
    assert diffusion["DiffusionDirectionality"] == "DIRECTIONAL"
    assert len(diffusion["DiffusionGradientDirection"]) == 3
    assert sum(float(each) ** 2 for each in diffusion["DiffusionGradientDirection"]) == pytest.approx(1, abs=1e-3)
    assert (diffusion["SOPInstanceUID"], diffusion["InstanceNumber"]) == ("1.2.3", "7")


def test_the_protocol_gives_the_fields_of_the_series() -> None:
    protocol = "\n".join(
        (
            "### ASCCONV BEGIN ###",
            'sProtConsistencyInfo.tMeasuredBaselineString\t = \t""N4_VE11C_LATEST_20160120""',
            'sWipMemBlock.tFree\t = \t""0a1b-2c""',
            "sGroupArray.asGroup[0].nSize\t = \t60",
            "SequenceID\t = \t1234",
            "### ASCCONV END ###",
        )
    )
    found = header(with_csa(series=csa(MrPhoenixProtocol=protocol)))
    assert siemens.series_fields(found) == {
        "siemensUUID": "0a1b-2c",
        "NumSlices": "60",
        "MeasID": "1234",
        "OSLevel": "VE11C",
    }


def test_other_manufacturers_are_left_alone() -> None:
    assert not siemens.is_siemens(read(PYDICOM / "CT_small.dcm", WANTED))


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=2000), st.integers(0, 3000))
def test_hostile_headers_say_nothing(data: bytes, at: int) -> None:
    real = csa(PhaseEncodingDirectionPositive="1", MrPhoenixProtocol="SequenceID = 5")
    for raw in (data, b"SV10\4\3\2\1" + data, real[: at % len(real)] + data):
        raw += bytes(len(raw) % 2)
        found = header(with_csa(raw, raw))
        assert set(siemens.series_fields(found)) | set(siemens.image_fields(found, "1", None)) <= fields.FIELDS
