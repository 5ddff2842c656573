"""A modality that behaves as real ones do: it sends until every image is acknowledged, over new associations
when one breaks."""

import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from pydicom import dcmread
from pynetdicom import build_context

from shared.destinations import DicomDestination
from shared.scu import Unavailable
from shared.scu.association import StoreAssociation
from shared.scu.part10 import dataset_start
from tests.components.process import LOOPBACK, ComponentError


class Modality:
    """Sends files one by one in a thread; `acknowledged` counts successes, `broken` lost associations."""

    def __init__(self, files: Sequence[Path], port: int, pause: float = 0.0, aet: str = "CT1") -> None:
        self._files = list(files)
        self._port = port
        self._pause = pause
        self._aet = aet
        self.acknowledged = 0
        self.broken = 0
        self.refused: list[int] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._send, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(60)

    def wait_for(self, count: int, timeout: float = 300) -> None:
        """Until so many are acknowledged."""
        deadline = time.monotonic() + timeout
        while self.acknowledged < count:
            if time.monotonic() > deadline:
                raise ComponentError(f"{self.acknowledged} of {count} acknowledged within {timeout:g} s")
            time.sleep(0.01)

    def _send(self) -> None:
        waiting = self._files
        while waiting and not self._stop.is_set():
            waiting = self._over_one_association(waiting)
            if waiting:
                self.broken += 1
                time.sleep(0.3)

    def _over_one_association(self, files: list[Path]) -> list[Path]:
        """Send what an association lets us; the files that are still owed."""
        peer = DicomDestination(host=LOOPBACK, port=self._port, called_aet="FIONA", calling_aet=self._aet, timeout=30)
        header = dcmread(files[0], stop_before_pixels=True)
        kind = header.SOPClassUID, header.file_meta.TransferSyntaxUID
        context = build_context(*kind)
        context.context_id = 1
        try:
            association = StoreAssociation.request(peer, [context])
        except Unavailable:
            return files
        try:
            for index, path in enumerate(files):
                if self._stop.is_set():
                    return []
                status = self._store(association, path)
                if status != 0:
                    self.refused.append(status)
                    return files[index:]
                self.acknowledged += 1
                time.sleep(self._pause)
            return []
        except Unavailable:
            return files[index:]
        finally:
            association.close()

    def _store(self, association: StoreAssociation, path: Path) -> int:
        header = dcmread(path, stop_before_pixels=True)
        sop_class, syntax = str(header.SOPClassUID), str(header.file_meta.TransferSyntaxUID)
        with path.open("rb") as file:
            start, end = dataset_start(file.fileno()), path.stat().st_size
            context = association.accepted[sop_class, syntax]
            return association.store(context, sop_class, header.SOPInstanceUID, file.fileno(), start, end)
