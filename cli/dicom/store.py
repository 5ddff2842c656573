"""C-STORE of files as they are: associations with the presentation contexts that the files need.

The association is the sender's own. pynetdicom's loses an answer now and then on a busy machine: its reactor
thread may take it from the queue before send_c_store does.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from cli.dicom.files import Sendable
from cli.dicom.node import Node
from cli.failure import Code, Failure
from shared.destinations import DicomDestination
from shared.journal.outcome import REASONS
from shared.scu import Unavailable
from shared.scu.association import StoreAssociation
from shared.scu.statuses import NO_ANSWER, SOP_CLASS_NOT_SUPPORTED, Verdict, describe, verdict

MOST_CONTEXTS = 128
"""PS3.8 §9.3.2.2: the odd numbers from 1 to 255."""

GATEWAY_WORDS: dict[int, str] = {int(refusal): words for refusal, words in REASONS.items()}


@dataclass(frozen=True)
class Outcome:
    """What the peer said of a file: the C-STORE status (PS3.4 Table B.2-1), or NO_ANSWER."""

    file: Sendable
    status: int

    @property
    def stored(self) -> bool:
        """Success, also with a warning."""
        return verdict(self.status) is Verdict.TAKEN

    def reason(self, gateway: bool = False) -> str:
        """For people: the status, in the gateway's own words if that is who said it."""
        words = GATEWAY_WORDS.get(self.status) if gateway else None
        return f"0x{self.status:04X} {words}" if words else describe(self.status)


def batches(sendable: Iterable[Sendable]) -> list[list[Sendable]]:
    """The files by association, in their order, so that no association needs more than 128 contexts."""
    made: list[list[Sendable]] = []
    contexts: dict[tuple[str, str], int] = {}
    room = 0
    for file in sendable:
        context = file.sop_class_uid, file.transfer_syntax_uid
        if context not in contexts:
            if not room:
                made.append([])
                room = MOST_CONTEXTS
            contexts[context] = len(made) - 1
            room -= 1
        made[contexts[context]].append(file)
    return made


def store(sendable: Sequence[Sendable], node: Node, calling_aet: str) -> Iterator[Outcome]:
    """Send files and say of each what became of it; Failure when the node is not there or will not talk."""
    for batch in batches(sendable):
        association = _associate(node, calling_aet, batch)
        try:
            yield from _through(association, batch)
        finally:
            association.release()


def _associate(node: Node, calling_aet: str, batch: Iterable[Sendable]) -> StoreAssociation:
    from pynetdicom.presentation import build_context

    pairs = dict.fromkeys((file.sop_class_uid, file.transfer_syntax_uid) for file in batch)
    contexts = [build_context(sop_class, syntax) for sop_class, syntax in pairs]
    for number, context in enumerate(contexts):
        context.context_id = 2 * number + 1
    try:
        peer = DicomDestination(host=node.host, port=node.port, called_aet=node.aet, calling_aet=calling_aet)
    except ValueError as error:
        raise Failure(f"{calling_aet!r} is no AE title", Code.USAGE) from error
    try:
        return StoreAssociation.request(peer, contexts)
    except Unavailable as error:
        raise Failure(f"no association with {node}: {error}", Code.UNREACHABLE) from error


def _through(association: StoreAssociation, batch: Iterable[Sendable]) -> Iterator[Outcome]:
    """Every file of a batch; once an answer fails to come, nothing more is tried."""
    lost = False
    for file in batch:
        context = association.accepted.get((file.sop_class_uid, file.transfer_syntax_uid))
        if context is None:
            yield Outcome(file, SOP_CLASS_NOT_SUPPORTED)
            continue
        outcome = Outcome(file, NO_ANSWER if lost else _one(association, context, file))
        lost = outcome.status == NO_ANSWER
        yield outcome


def _one(association: StoreAssociation, context: int, file: Sendable) -> int:
    handle = os.open(file.path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return association.store(context, file.sop_class_uid, file.sop_instance_uid, handle, file.dataset, file.size)
    except Unavailable:
        return NO_ANSWER
    finally:
        os.close(handle)
