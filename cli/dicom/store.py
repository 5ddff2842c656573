"""C-STORE of files as they are: associations with the presentation contexts that the files need."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from cli.dicom.files import Sendable
from cli.dicom.node import Node
from cli.failure import Code, Failure

MOST_CONTEXTS = 128
"""PS3.8 §9.3.2.2: the odd numbers from 1 to 255."""
WARNINGS = range(0xB000, 0xC000)
NOT_NEGOTIATED = 0x0122
LOST, UNFIT = -1, -2
"""Instead of a status: the peer did not answer; the file cannot be put into a request."""

REASONS = {
    NOT_NEGOTIATED: "the peer does not take this SOP class in this transfer syntax",
    LOST: "the association was lost",
    UNFIT: "its UIDs do not fit into a C-STORE request",
}


@dataclass(frozen=True)
class Outcome:
    """What the peer said of a file: the C-STORE status (PS3.4 Table B.2-1), or why there is none."""

    file: Sendable
    status: int
    comment: str = ""

    @property
    def stored(self) -> bool:
        """Success, also with a warning."""
        return self.status == 0 or self.status in WARNINGS

    def reason(self) -> str:
        """For people: status and what is known of it."""
        if self.status < 0:
            return REASONS[self.status]
        return f"0x{self.status:04X} {self.comment or REASONS.get(self.status, '')}".strip()


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
    from pynetdicom import AE, _config
    from pynetdicom.presentation import build_context

    _config.STORE_SEND_CHUNKED_DATASET = True
    for batch in batches(sendable):
        entity = AE(ae_title=calling_aet)
        entity.network_timeout = entity.dimse_timeout = 120
        pairs = dict.fromkeys((file.sop_class_uid, file.transfer_syntax_uid) for file in batch)
        association = entity.associate(
            node.host,
            node.port,
            contexts=[build_context(sop_class, syntax) for sop_class, syntax in pairs],
            ae_title=node.aet,
        )
        if not association.is_established:
            raise Failure(f"no association with {node}: {_why(association)}", Code.UNREACHABLE)
        try:
            for file in batch:
                yield _one(association, file)
        finally:
            if association.is_established:
                association.release()


def _why(association: Any) -> str:
    if association.is_rejected:
        answer = association.acceptor.primitive
        return f"rejected ({answer.reason_str})" if answer is not None else "rejected"
    return "nobody answers there, or only with an abort"


def _one(association: Any, file: Sendable) -> Outcome:
    if not association.is_established:
        return Outcome(file, LOST)
    accepted = ((context.abstract_syntax, context.transfer_syntax[0]) for context in association.accepted_contexts)
    if (file.sop_class_uid, file.transfer_syntax_uid) not in accepted:
        return Outcome(file, NOT_NEGOTIATED)
    try:
        answer = association.send_c_store(_source(file))
    except (ValueError, AttributeError):
        return Outcome(file, UNFIT)
    except RuntimeError:
        return Outcome(file, LOST)
    if "Status" not in answer:
        return Outcome(file, LOST)
    return Outcome(file, int(answer.Status), str(answer.get("ErrorComment", "")))


def _source(file: Sendable) -> Any:
    """The file, to be streamed; a dataset where the File Meta names another instance than it holds."""
    if file.meta_agrees:
        return file.path
    from pydicom import dcmread

    return dcmread(file.path)
