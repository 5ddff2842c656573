"""The data path on a pair of sockets: any cutting of a good stream is served, any bad stream ends it."""

import random
import socket
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from threading import Thread

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.data import get_testdata_file

from services.receiver.datapath import DataPath, Violation
from services.receiver.wire import Gone, Stalled, TooLong, Wire
from shared.dicom.filemeta import read_meta
from shared.journal import Journal
from shared.store import Store
from tests.components.raw_peer import CT, EXPLICIT, P_DATA, RELEASE_RQ, VERIFICATION, command, echo, pdu, pdv

CONTENT = Path(str(get_testdata_file("CT_small.dcm"))).read_bytes()
META = read_meta(CONTENT)
DATASET = CONTENT[META.dataset :]
UID = META.sop_instance_uid
MAX_PDU = 16_384
ENDS = (Gone, Stalled, TooLong, Violation)


@contextmanager
def journal() -> Iterator[Journal]:
    """One in a folder of its own: hypothesis calls a test many times."""
    with tempfile.TemporaryDirectory() as folder:
        opened = Journal(Store(Path(folder)), "test")
        yield opened
        opened.close()


def serve(book: Journal, chunks: Sequence[bytes]) -> tuple[bytes | type[Exception], bytes]:
    """What the data path handed back (or how it ended), and what it answered, for a stream sent in chunks."""
    ours, theirs = socket.socketpair()
    answers = bytearray()

    def send() -> None:
        with suppress(OSError):
            for chunk in chunks:
                theirs.sendall(chunk)
            theirs.shutdown(socket.SHUT_WR)

    def receive() -> None:
        with suppress(OSError):
            while content := theirs.recv(65536):
                answers.extend(content)

    threads = [Thread(target=send), Thread(target=receive)]
    with closing(ours), closing(theirs), book.association("A", "B", "") as association:
        for thread in threads:
            thread.start()
        end: bytes | type[Exception]
        try:
            end = DataPath(Wire(ours, MAX_PDU, 5), {1: EXPLICIT}, association).run()
        except ENDS as error:
            end = type(error)
        with suppress(OSError):
            ours.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join()
    return end, bytes(answers)


def message(dice: random.Random) -> bytes:
    """A C-STORE request cut into fragments and PDUs at random."""
    head = command(1, CT, UID)

    def cut(content: bytes, control: int, most: int) -> list[bytes]:
        pieces = []
        while len(content) > most:
            size = dice.randrange(1, most)
            pieces.append(pdv(content[:size], control))
            content = content[size:]
        return [*pieces, pdv(content, control | 2)]

    values = cut(head, 1, dice.choice((5, 30, 200))) + cut(DATASET, 0, dice.choice((500, 5000, 16_000)))
    pdus, body = [], b""
    for value in values:
        if body and (len(body) + len(value) > MAX_PDU or dice.random() < 0.3):
            pdus.append(pdu(P_DATA, body))
            body = b""
        body += value
    return b"".join((*pdus, pdu(P_DATA, body)))


def chunked(content: bytes, dice: random.Random) -> list[bytes]:
    """A stream in packets of any size."""
    sizes = dice.choice(((1, 20), (100, 3000), (10_000, 100_000)))
    chunks: list[bytes] = []
    while content:
        size = dice.randrange(*sizes) if len(chunks) < 300 else len(content)
        chunks.append(content[:size])
        content = content[size:]
    return chunks


@given(st.integers(), st.integers(1, 3))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_however_a_good_stream_is_cut(seed: int, count: int) -> None:
    dice = random.Random(seed)
    stream = b"".join(message(dice) for _ in range(count))
    with journal() as book:
        end, answers = serve(book, chunked(stream + RELEASE_RQ, dice))
        (kept,) = (book.store.root / "archive").glob("*/*")
        assert kept.read_bytes().endswith(DATASET)
    assert end == RELEASE_RQ
    assert answers.count(b"\x00\x00\x00\x09\x02\x00\x00\x00\x00\x00") == count


@given(st.integers(), st.integers(1, 40))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_what_is_not_for_it_is_handed_back_whole(seed: int, size: int) -> None:
    dice = random.Random(seed)
    head = command(0x30, VERIFICATION)
    split = b"".join(pdu(P_DATA, pdv(head[i : i + size], 1)) for i in range(0, len(head) - size, size))
    split += pdu(P_DATA, pdv(head[len(split) and (len(head) - 1) // size * size :], 3))
    rest = dice.choice((echo(3), split, pdu(7, b"\0\0\0\0"), pdu(0x55, b"what"))) + dice.randbytes(20)
    with journal() as book:
        end, _ = serve(book, chunked(message(dice) + rest, dice))
    assert isinstance(end, bytes)
    assert rest.startswith(end)
    assert len(end) >= 6


@given(st.integers(), st.integers(1, 6), st.booleans())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_damage_ends_it_and_leaves_no_part(seed: int, hits: int, early: bool) -> None:
    dice = random.Random(seed)
    stream = bytearray(message(dice) + message(dice))
    for _ in range(hits):
        stream[dice.randrange(400 if early else len(stream))] = dice.choice((0, 1, 0xFF, dice.randrange(256)))
    with journal() as book:
        end, _ = serve(book, chunked(bytes(stream[: dice.randrange(1, len(stream))]), dice))
        assert isinstance(end, bytes) or end in ENDS
        journalled = [path.suffix for path in book.folder.rglob("*") if path.is_file()]
        assert ".part" not in journalled
        for kept in (book.store.root / "archive").glob("*/*"):
            content = kept.read_bytes()
            assert len(content) - read_meta(content).dataset > 1000


@given(st.binary(max_size=2000))
@settings(max_examples=60, deadline=None)
def test_noise_is_handed_back_or_ends_it(content: bytes) -> None:
    with journal() as book:
        end, answers = serve(book, [content])
        assert isinstance(end, bytes) or end in ENDS
        assert answers == b""
        assert not (book.store.root / "archive").exists()
