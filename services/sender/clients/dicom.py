"""A DIMSE destination: C-STORE of files as they are, C-FIND to count."""

import os
import time
from collections.abc import AsyncGenerator, Iterator, Sequence
from pathlib import Path

from services.sender.clients.contexts import choose, groups, propose
from services.sender.clients.find import find_series
from services.sender.clients.protocol import Answer, Found, Leaving, Outgoing, Withdrawn
from services.sender.clients.transcode import CannotTranscode, transcode
from services.sender.clients.withdraw import withdraw
from services.sender.threads import in_thread
from shared.destinations import DicomDestination
from shared.scu import Unavailable
from shared.scu.association import StoreAssociation
from shared.scu.part10 import dataset_start
from shared.scu.statuses import NO_ANSWER, SOP_CLASS_NOT_SUPPORTED


class DicomClient:
    """Sends each call's instances over one association (more only when one has too few contexts)."""

    def __init__(self, config: DicomDestination, batch_seconds: float = 0.5) -> None:
        self._config = config
        self._batch_seconds = batch_seconds

    async def send(self, instances: Sequence[Outgoing]) -> AsyncGenerator[list[Answer], None]:
        """C-STORE them in their order by SOP class; answers come about every `batch_seconds`."""
        for group in groups(instances):
            association = await in_thread(StoreAssociation.request, self._config, propose(group))
            waiting = iter(group)
            try:
                yield []
                while True:
                    answers, broken = await in_thread(self._some, association, waiting)
                    if answers:
                        yield answers
                    if broken is not None:
                        raise broken
                    if not answers:
                        break
                await in_thread(association.release)
            except BaseException:
                association.abort()
                raise

    def _some(
        self, association: StoreAssociation, waiting: Iterator[Outgoing]
    ) -> tuple[list[Answer], Unavailable | None]:
        """Send for a while; the answers so far are kept also when the association breaks."""
        answers: list[Answer] = []
        until = time.monotonic() + self._batch_seconds
        for instance in waiting:
            try:
                answers.append(Answer(instance.sop_instance_uid, _store(association, instance)))
            except Unavailable as error:
                answers.append(Answer(instance.sop_instance_uid, NO_ANSWER))
                return answers, error
            if time.monotonic() > until:
                break
        return answers, None

    async def count(self, study: str, series: str) -> Found | None:
        """C-FIND for the instances of the series, or for their number; None when neither is offered."""
        return await in_thread(find_series, self._config, study, series)

    async def withdraw(self, instances: Sequence[Leaving]) -> Withdrawn | None:
        """DIMSE cannot; another interface of the same PACS may, if one is configured."""
        return await in_thread(withdraw, way, instances) if (way := self._config.withdraw) else None


def _store(association: StoreAssociation, instance: Outgoing) -> int:
    """The status of one instance; a transfer syntax that the peer refuses is transcoded first."""
    chosen = choose(association.accepted, instance.sop_class_uid, instance.transfer_syntax_uid)
    if chosen is None:
        return SOP_CLASS_NOT_SUPPORTED
    context, transfer_syntax = chosen
    if transfer_syntax == instance.transfer_syntax_uid:
        return _store_file(association, instance, context, instance.file)
    try:
        with transcode(instance.file, transfer_syntax) as file:
            return _store_open(association, instance, context, file.fileno())
    except CannotTranscode:
        return SOP_CLASS_NOT_SUPPORTED


def _store_file(association: StoreAssociation, instance: Outgoing, context: int, path: Path) -> int:
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return _store_open(association, instance, context, file)
    finally:
        os.close(file)


def _store_open(association: StoreAssociation, instance: Outgoing, context: int, file: int) -> int:
    start, end = dataset_start(file), os.fstat(file).st_size
    return association.store(context, instance.sop_class_uid, instance.sop_instance_uid, file, start, end)
