"""Changed frames into an unnamed file: native pixel data is copied and patched, decoded frames are written anew."""

import os
import tempfile
from pathlib import Path
from typing import BinaryIO

from deidentification.dataset.encoding import Encoding
from deidentification.dataset.source import Source
from deidentification.pixels import copying
from deidentification.pixels.frames import Compressed, Native, Samples
from deidentification.pixels.image import PHOTOMETRIC, PLANAR


class Writing:
    """The file comes into being with the first frame that changed; until then nothing is written."""

    def __init__(self, source: Source, found: copying.Pixels, frames: Native | Compressed, folder: Path | None) -> None:
        self.source, self.found, self.frames, self.folder = source, found, frames, folder
        self.file: BinaryIO | None = None

    def put(self, index: int, samples: Samples, changed: bool) -> None:
        """The next frame, in order."""
        if isinstance(self.frames, Native):
            if changed:
                file = self._begun()
                at, data = self.frames.patched(index, samples)
                os.pwrite(file.fileno(), data, at)
        elif changed or self.file is not None:
            if self.file is None:
                file = self._begun()
                for before in range(index):
                    file.write(self.frames.read(before).tobytes())
            self._begun().write(samples.tobytes())

    def ended(self) -> int:
        """The length of what was written, made even."""
        if self.file is None:
            return 0
        self.file.seek(0, os.SEEK_END)
        if self.file.tell() % 2:
            self.file.write(b"\0")
        length = self.file.tell()
        self.file.flush()
        self.file.seek(0)
        return length

    def close(self) -> None:
        """Give the file back when nobody is going to need it."""
        if self.file is not None:
            self.file.close()

    def _begun(self) -> BinaryIO:
        if self.file is None:
            if self.folder is not None:
                self.folder.mkdir(parents=True, exist_ok=True)
            self.file = tempfile.TemporaryFile(dir=self.folder)  # noqa: SIM115 the caller of `cleaned` closes it
            if isinstance(self.frames, Native):
                copying.copy(self.source, self.found, self.file.fileno(), 0)
        return self.file


def attributes(source: Source, frames: Native | Compressed) -> dict[int, tuple[bytes, bytes] | None]:
    """What the header has to say of decoded frames, encoded as the rest of the header is."""
    if not source.syntax.encapsulated:
        return {}
    written, encoding = frames.image, source.syntax.encoding
    return {
        PHOTOMETRIC: (b"CS", written.photometric.encode()),
        PLANAR: (b"US", short(0, encoding)) if written.samples > 1 else None,
        # The tables of offsets belong to the fragments.
        0x7FE00001: None,
        0x7FE00002: None,
    }


def short(value: int, encoding: Encoding) -> bytes:
    """One US value."""
    return value.to_bytes(2, "little" if encoding.little else "big")
