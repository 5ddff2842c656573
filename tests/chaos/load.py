"""What goes on all the while: several modalities send study after study, and somebody says whose each of them is."""

import itertools
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from tests.components.process import wait_until
from tests.studies import Study, ct_study
from tests.system.gateway import Gateway
from tests.system.modality import Modality


class Load:
    """`senders` modalities with `studies` studies each, spread over so many seconds."""

    def __init__(
        self, folder: Path, gateway: Gateway, project: str, senders: int, studies: int, images: int, seconds: float
    ) -> None:
        self.gateway = gateway
        self.project = project
        self.of: dict[str, str] = {}
        """Participant -> StudyInstanceUID."""
        self.images = senders * studies * images
        self.each = images
        self._due = self.images
        self._modalities: list[Modality] = []
        self._sent: list[tuple[str, list[Path]]] = []
        numbers = itertools.count(1)
        for sender in range(1, senders + 1):
            made = [self._study(folder / f"{sender}-{number}", next(numbers), images) for number in range(studies)]
            files = [path for study in made for path in study.files]
            pause = seconds / len(files)
            self._modalities.append(Modality(files, gateway.dicom_port, pause, aet=f"CT{sender}"))
            self._sent.append((f"CT{sender}", files))
        self._stop = threading.Event()
        self._assigner = threading.Thread(target=self._assign_all, daemon=True)

    def _study(self, folder: Path, number: int, images: int) -> Study:
        participant = f"P{number:03}"
        study = ct_study(
            folder, series=2, images=images // 2, rows=32, patient_id=f"CANARY{number:05}", accession=f"ACC{number:07}"
        )
        self.of[participant] = study.study_instance_uid
        return study

    def __enter__(self) -> Self:
        for modality in self._modalities:
            modality.__enter__()
        self._assigner.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        for modality in self._modalities:
            modality.__exit__()
        self._assigner.join(60)

    def again(self) -> None:
        """Once all is acknowledged and assigned: the same from the beginning, as senders do when they are asked."""
        for aet, files in self._sent:
            self._modalities.append(Modality(files, self.gateway.dicom_port, aet=aet).__enter__())
        self._due += self.images
        self._assigner = threading.Thread(target=self._assign_all, daemon=True)
        self._assigner.start()

    @property
    def acknowledged(self) -> int:
        """C-STORE responses of success so far."""
        return sum(modality.acknowledged for modality in self._modalities)

    @property
    def refused(self) -> Sequence[int]:
        """What they were told instead."""
        return [status for modality in self._modalities for status in modality.refused]

    @property
    def broken(self) -> int:
        """Associations that broke."""
        return sum(modality.broken for modality in self._modalities)

    def wait(self, timeout: float) -> None:
        """Until everything is acknowledged and assigned."""
        wait_until(lambda: self.acknowledged >= self._due, timeout, "every image acknowledged", every=0.2)
        wait_until(lambda: not self._assigner.is_alive(), timeout, "every study assigned", every=0.2)

    def _assign_all(self) -> None:
        waiting = dict(self.of)
        while waiting and not self._stop.is_set():
            for participant, study in list(waiting.items()):
                if self._assigned(participant, study):
                    del waiting[participant]
            time.sleep(0.5)

    def _assigned(self, participant: str, study: str) -> bool:
        """Whether the gateway has taken it; a person who gets no answer tries again later."""
        body = {"project": self.project, "participant": participant}
        try:
            self.gateway.call("POST", f"/studies/{study}/assignments", json=body)
        except (httpx.HTTPError, ValueError):
            return False
        return True
