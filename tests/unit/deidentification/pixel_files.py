"""Objects with pictures in them, and the short road from a file to its cleaned pixels."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, generate_uid

from deidentification.dataset.encoding import Encoding, item
from deidentification.dataset.source import Source, opened
from deidentification.pixels import Cleaned, Plan, cleaned, copying, planned, wanted
from deidentification.profiles.model import Pixels

SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
ULTRASOUND = "1.2.840.10008.5.1.4.1.1.3.1"
READ = Pixels(images="suspect")


def picture(
    text: str = "Nordmann, Kari 030270", rows: int = 160, columns: int = 320, at: tuple[int, int] = (20, 80)
) -> NDArray[np.uint8]:
    """Grey with a white line on it; every pixel differs from its neighbours."""
    ramp = np.add.outer(np.arange(rows) % 7, np.arange(columns) % 11) * 3 + 40
    grey = np.ascontiguousarray(ramp, np.uint8)
    if text:
        cv2.putText(grey, text, at, cv2.FONT_HERSHEY_SIMPLEX, 0.6, (255,), 1, cv2.LINE_AA)
    return grey


def dataset(frames: NDArray[Any], **attributes: Any) -> Dataset:
    """An object of `frames`: rows × columns, frames × rows × columns, or with a last axis of samples."""
    data = Dataset()
    coloured = frames.shape[-1] in (3, 4) and frames.ndim > 2
    rows, columns = frames.shape[-3:-1] if coloured else frames.shape[-2:]
    values: dict[str, Any] = {
        "SOPClassUID": SECONDARY_CAPTURE,
        "SOPInstanceUID": generate_uid(),
        "Modality": "OT",
        "Rows": rows,
        "Columns": columns,
        "SamplesPerPixel": frames.shape[-1] if coloured else 1,
        "PhotometricInterpretation": "RGB" if coloured else "MONOCHROME2",
        "PlanarConfiguration": 0 if coloured else None,
        "BitsAllocated": frames.dtype.itemsize * 8,
        "BitsStored": frames.dtype.itemsize * 8,
        "HighBit": frames.dtype.itemsize * 8 - 1,
        "PixelRepresentation": int(frames.dtype.kind == "i"),
        **attributes,
    }
    if frames.ndim == 4 or (frames.ndim == 3 and not coloured):
        values.setdefault("NumberOfFrames", frames.shape[0])
    values.setdefault("PixelData", frames.tobytes() + bytes(frames.nbytes % 2))
    for keyword, value in values.items():
        if value is not None:
            setattr(data, keyword, value)
    if "PixelData" in values:
        data["PixelData"].VR = "OB" if values["BitsAllocated"] <= 8 else "OW"
    return data


def saved(data: Dataset, path: Path, syntax: UID = ExplicitVRLittleEndian) -> Path:
    """The file; the pixel data's words are swapped here where they are big endian, as the library does not."""
    if not syntax.is_little_endian:
        words = 2 if data["PixelData"].VR == "OW" and data.BitsAllocated == 8 else max(1, data.BitsAllocated // 8)
        data.PixelData = np.frombuffer(data.PixelData, f"u{words}").byteswap().tobytes()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = syntax
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
    data.save_as(
        path, enforce_file_format=True, implicit_vr=syntax.is_implicit_VR, little_endian=syntax.is_little_endian
    )
    return path


@dataclass(frozen=True)
class Result:
    """What cleaning gave, with the pixel bytes that would stand in the file."""

    cleaned: Cleaned
    pixels: bytes
    found: copying.Pixels
    encoding: Encoding


def captured_of(source: Source, wanted_tags: frozenset[int]) -> tuple[dict[int, bytes], tuple[int, bytes, int, int]]:
    """The top level's values before the pixel data, and its element: what the walk hands over."""
    encoding = source.syntax.encoding
    buffer = source.header(min(source.size, 1 << 20))
    at, captured = 0, dict[int, bytes]()
    while True:
        header = buffer.header(at, buffer.loaded, encoding)
        tag, _, value, length = header
        if tag in copying.PIXEL_VRS:
            return captured, header
        end = buffer.skip(value, buffer.loaded, encoding) if length == 0xFFFFFFFF else value + length
        if tag in wanted_tags:
            captured[tag] = buffer.data[value:end]
        at = end


def clean(path: Path, profile: Pixels = READ, plan: Plan | None = None) -> Result:
    """The file's pixels under the profile."""
    with opened(path) as source:
        captured, header = captured_of(source, wanted(profile))
        plan = plan or planned(captured, profile, frozenset(), source.syntax.uid)
        found = copying.located(source, header, captured)
        assert plan is not None
        result = cleaned(source, found, plan, captured, None)
        if result.file is None:
            return Result(result, source.read(found.start, found.end - found.start), found, source.syntax.encoding)
        with result.file as file:
            content = file.read()
        assert len(content) == result.length
        return Result(result, content, found, source.syntax.encoding)


def read_back(path: Path, result: Result) -> Dataset:
    """The object as it would be written, read by pydicom."""
    data = dcmread(path)
    if result.cleaned.file is None:
        return data
    data.PixelData = result.pixels
    data["PixelData"].VR = result.cleaned.vr.decode()
    data["PixelData"].is_undefined_length = False
    data.file_meta.TransferSyntaxUID = UID(result.cleaned.transfer_syntax_uid)
    order = "little" if result.encoding.little else "big"
    for tag, value in result.cleaned.attributes.items():
        if value is None:
            data.pop(tag, None)
        else:
            vr, content = value
            number = int.from_bytes(content, order) if vr == b"US" else content.decode()  # type: ignore[arg-type]
            data.add_new(tag, vr.decode(), number)
    return data


def sequence(items: list[bytes], encoding: Encoding) -> bytes:
    """The value of a sequence with these items."""
    return b"".join(item(each, encoding) for each in items)
