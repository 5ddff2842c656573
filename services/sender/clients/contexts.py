"""Which presentation contexts a set of files needs, and what to do with what the peer accepts of them."""

from collections.abc import Iterable, Mapping

from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom.presentation import PresentationContext, build_context

from services.sender.clients.protocol import Outgoing

MOST = 128
"""PS3.8 §9.3.2.2: the odd numbers from 1 to 255."""
PLAIN = (str(ExplicitVRLittleEndian), str(ImplicitVRLittleEndian))
"""What a file is transcoded to when its own transfer syntax is refused, best first."""

Accepted = Mapping[tuple[str, str], int]
"""(SOP class, transfer syntax) -> presentation context ID."""


def groups(instances: Iterable[Outgoing]) -> list[list[Outgoing]]:
    """The instances by association, such that the contexts of each fit into one; SOP classes stay whole."""
    by_class: dict[str, list[Outgoing]] = {}
    for instance in instances:
        by_class.setdefault(instance.sop_class_uid, []).append(instance)
    result: list[list[Outgoing]] = []
    room = 0
    for members in by_class.values():
        needed = len(_of_class(members))
        if needed > room:
            result.append([])
            room = MOST
        result[-1] += members
        room -= needed
    return result


def propose(instances: Iterable[Outgoing]) -> list[PresentationContext]:
    """One context for each pair of SOP class and transfer syntax, and one per class for transcoding."""
    by_class: dict[str, list[Outgoing]] = {}
    for instance in instances:
        by_class.setdefault(instance.sop_class_uid, []).append(instance)
    contexts = [
        build_context(sop_class, list(syntaxes))
        for sop_class, members in by_class.items()
        for syntaxes in _of_class(members)
    ]
    for number, context in enumerate(contexts):
        context.context_id = 2 * number + 1
    return contexts


def _of_class(members: Iterable[Outgoing]) -> list[list[str]]:
    own = list(dict.fromkeys(member.transfer_syntax_uid for member in members))
    plain = [syntax for syntax in PLAIN if syntax not in own]
    return [[syntax] for syntax in own] + ([plain] if plain else [])


def choose(accepted: Accepted, sop_class: str, transfer_syntax: str) -> tuple[int, str] | None:
    """A file's context and the transfer syntax it must be in there; None when the peer takes neither."""
    for syntax in (transfer_syntax, *PLAIN):
        if (sop_class, syntax) in accepted:
            return accepted[sop_class, syntax], syntax
    return None
