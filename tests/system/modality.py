"""A modality that behaves as real ones do: it sends until every image is acknowledged, over new associations
when one breaks."""

import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from pydicom import dcmread
from pynetdicom import AE

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
        self._thread.join(30)

    def wait_for(self, count: int, timeout: float = 120) -> None:
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
        datasets = dcmread(files[0], stop_before_pixels=True)
        entity = AE(self._aet)
        entity.add_requested_context(datasets.SOPClassUID, datasets.file_meta.TransferSyntaxUID)
        association = entity.associate(LOOPBACK, self._port, ae_title="FIONA")
        if not association.is_established:
            return files
        try:
            for index, path in enumerate(files):
                if self._stop.is_set():
                    return []
                answer = association.send_c_store(path)
                if "Status" not in answer:
                    return files[index:]
                if answer.Status != 0:
                    self.refused.append(answer.Status)
                    return files[index:]
                self.acknowledged += 1
                time.sleep(self._pause)
            return []
        except (RuntimeError, ValueError):
            return files[self._files.index(path) - self._files.index(files[0]) :]
        finally:
            if association.is_established:
                association.release()
