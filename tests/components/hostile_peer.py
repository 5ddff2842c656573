"""A sender that does anything: conversations made of good and damaged PDUs, and what must hold whatever it does."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Protocol

from pydicom.data import get_testdata_file

from shared.dicom.filemeta import read_meta
from shared.dicom.scan import scan
from tests.components.process import wait_until
from tests.components.raw_peer import (
    ABORT,
    ASSOCIATE_AC,
    ASSOCIATE_RJ,
    CT,
    EXPLICIT,
    P_DATA,
    RELEASE_RP,
    RELEASE_RQ,
    VERIFICATION,
    Answer,
    RawPeer,
    associate,
    command,
    echo,
    pdu,
    pdv,
    store,
)
from tests.components.receiver import LocalReceiver

CONTENT = Path(str(get_testdata_file("CT_small.dcm"))).read_bytes()
META = read_meta(CONTENT)
DATASET = CONTENT[META.dataset :][:4000]
SAID = {ASSOCIATE_AC, ASSOCIATE_RJ, P_DATA, RELEASE_RP, ABORT}


class Dice(Protocol):
    """Where choices come from: chance, or a fuzzer that learns."""

    def number(self, low: int, high: int) -> int:
        """One of them, both included."""

    def content(self, size: int) -> bytes:
        """So many bytes, or fewer."""


class Chance:
    """Choices by a seed."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)

    def number(self, low: int, high: int) -> int:
        return self._random.randint(low, high)

    def content(self, size: int) -> bytes:
        return self._random.randbytes(size)


def _request(dice: Dice) -> bytes:
    contexts = [(CT, [EXPLICIT]), (VERIFICATION, [EXPLICIT])] * dice.number(1, 3)
    return associate(contexts, "HOSTILE", "FIONA", dice.number(0, 1) * dice.number(0, 1 << 20))


def _noise(dice: Dice) -> bytes:
    return pdu(dice.number(0, 255), dice.content(dice.number(0, 600)))


def _fragment(dice: Dice) -> bytes:
    return pdu(P_DATA, pdv(dice.content(dice.number(0, 300)), dice.number(0, 7), dice.number(0, 5)))


def _store(dice: Dice) -> bytes:
    name = META.sop_instance_uid if dice.number(0, 2) else f"1.2.{dice.number(0, 99)}"
    whole = DATASET[: dice.number(0, len(DATASET))] if dice.number(0, 1) else DATASET
    return b"".join(store(CT, name, whole, dice.number(1, 3) * 700, dice.number(0, 1) * 2 + 1))


def _command(dice: Dice) -> bytes:
    return pdu(P_DATA, pdv(command(dice.number(0, 0xFFFF), CT, "1.2.3" if dice.number(0, 1) else None), 3))


STEPS: Sequence[Callable[[Dice], bytes]] = (
    _request,
    _store,
    _store,
    _fragment,
    _command,
    _noise,
    lambda _: echo(),
    lambda _: RELEASE_RQ,
    lambda dice: dice.content(dice.number(0, 60)),
)


def conversation(dice: Dice) -> bytes:
    """A request for an association, some steps, and some damage."""
    said = bytearray(_request(dice))
    start = len(said) if dice.number(0, 3) else 0
    for _ in range(dice.number(0, 5)):
        said += STEPS[dice.number(0, len(STEPS) - 1)](dice)
    for _ in range(dice.number(0, 4)):
        if start < len(said):
            said[dice.number(start, len(said) - 1)] = dice.number(0, 255)
    return bytes(said[: dice.number(0, len(said))] if not dice.number(0, 4) else said)


def attack(receiver: LocalReceiver, dice: Dice) -> None:
    """Say it all, listen to the answers, go. AssertionError when the receiver does what it never may."""
    said = conversation(dice)
    taken = 0
    with RawPeer(receiver.port, timeout=0.05) as peer:
        with suppress(OSError):
            peer.send(said)
        with suppress(EOFError, TimeoutError):
            while True:
                answer = peer.receive()
                assert answer.kind in SAID, f"PDU type {answer.kind}"
                taken += _taken(answer)
    wait_until(lambda: not receiver.associations(), 60, "the end of the association")
    assert len(receiver.archived()) >= (taken > 0)


def _taken(answer: Answer) -> bool:
    if answer.kind != P_DATA:
        return False
    try:
        return answer.element(0x0100) == b"\x01\x80" and answer.status == 0
    except KeyError:
        raise AssertionError("an answer without a status") from None


def sound(receiver: LocalReceiver) -> None:
    """What is in the archive can be read, nothing half-written is left, and an honest sender is served."""
    for path in receiver.archived():
        content = path.read_bytes()
        meta = read_meta(content)
        assert scan(content, meta.transfer_syntax_uid, meta.dataset).sop_instance_uid == meta.sop_instance_uid
    assert [path for path in receiver.leftovers() if path.suffix == ".part" and path.stat().st_size] == []
    with RawPeer.associated(receiver.port) as peer:
        peer.send(echo(3))
        assert peer.receive().status == 0
        peer.send(*store(CT, META.sop_instance_uid, CONTENT[META.dataset :]))
        assert peer.receive().status == 0
        assert peer.release().kind == RELEASE_RP
