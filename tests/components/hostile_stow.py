"""A client of STOW-RS that does anything: requests of good and damaged parts, and what must hold whatever it does."""

import json
import socket
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import Any, Final

from shared.dicom.filemeta import read_meta
from shared.dicom.scan import scan
from tests.components.hostile_peer import Dice
from tests.unit.api.support import chunks, dicom, multipart, stow_type

WAITS: Final = 60.0
"""Seconds in which there is an answer, or the connection hangs."""

ANSWERED: Final = {200, 202, 400, 406, 408, 409, 413, 415, 422}
"""What the schema has for whoever may, but for a server that is to blame or too busy: nobody else asks."""

STORED: Final = "00081199"
STUDY: Final = "1.2.826.7"
WHOLE: Final = dicom(study=STUDY, sop=f"{STUDY}.1", filler=3000)


@dataclass(frozen=True)
class Said:
    """A request as it goes over the wire."""

    content: bytes
    sops: tuple[str, ...] = ()
    """The instances in it, when nothing is wrong with it."""
    ends: str = "waits"
    """How the client ends it: it waits for the answer, is done with sending (`half`), or is gone at once."""


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    media_type: str
    content: bytes

    @property
    def stored(self) -> frozenset[str]:
        """The SOP Instance UIDs that are told to be kept."""
        items = json.loads(self.content).get(STORED, {"Value": []})["Value"]
        return frozenset(each["00081155"]["Value"][0] for each in items)


def attack(port: int, dice: Dice, number: int) -> Answer | None:
    """Say it, and hear the answer (None: it was not waited for). AssertionError when it is none that may be."""
    said = request(dice, number)
    answer = _exchange(port, said)
    if answer is None:
        return None
    assert answer.status in ANSWERED, (answer.status, answer.content[:300])
    if answer.status in (200, 202, 409):
        assert answer.media_type == "application/dicom+json", answer
        assert (answer.status == 409) == (not answer.stored), answer
    elif answer.media_type != "application/problem+json":
        # A head that is none, or chunks that are none, do not reach the application.
        assert answer.status == 400, answer
    if said.sops:
        assert (answer.status, answer.stored) == (200, frozenset(said.sops)), answer
    return answer


def request(dice: Dice, number: int) -> Said:
    """A request to store, with damage or without; `number` makes its instances its own."""
    sops = tuple(f"{STUDY}.{number}.{index}" for index in range(dice.number(1, 4)))
    boundary = _one(dice, "x", "a b'c", "=" * 70, "(x)+_,./:=?y")
    if not dice.number(0, 3):
        body, study = multipart([_instance(sop) for sop in sops], boundary), _one(dice, "", f"/{STUDY}")
        head = _head(study, f'multipart/related; type="application/dicom"; boundary="{boundary}"')
        return Said(_framed(dice, head, body, honest=True), sops)
    body = b"".join(_part(dice, boundary, sop) for sop in sops)
    body += f"--{boundary}--\r\n".encode() if dice.number(0, 5) else b""
    if not dice.number(0, 3):
        body = dice.content(dice.number(0, 80)) + body + dice.content(dice.number(0, 80))
    body = _damaged(dice, body)
    study = _one(dice, "", "", f"/{STUDY}", "/1.9", "/x", "/1..2", "?accept=x")
    kind = _one(
        dice,
        *(stow_type(boundary), stow_type(boundary), stow_type(boundary), stow_type("other"), stow_type("")),
        *(
            "",
            "application/dicom",
            "multipart/form-data; boundary=x",
            "multipart/related",
            "multipart/related; \x00\xff",
        ),
    )
    accept = _one(dice, "application/dicom+json", "*/*", "", "application/dicom+xml", "x/y;q=z, ,;", "\xff")
    return Said(
        _framed(dice, _head(study, kind, accept), body, honest=False), ends=_one(dice, "waits", "waits", "half", "gone")
    )


def sound(port: int, store: Path, told: frozenset[str], exact: bool) -> frozenset[str]:
    """The instances that are kept: each whole, all that were told of, nothing half; an honest client is served.

    `exact`: every answer was heard, so that nothing is kept of which nobody was told.
    """
    kept = frozenset(_sops(store))
    assert told <= kept, told - kept
    assert not exact or kept <= told, kept - told
    assert list((store / "journal").rglob("*.part")) == []
    answer = _exchange(port, Said(_plain(_head("", stow_type()), multipart([WHOLE]))))
    assert answer is not None
    assert answer.status == 200, answer
    return kept | {f"{STUDY}.1"}


def _sops(store: Path) -> Iterator[str]:
    for path in (store / "archive").glob("scp_*/*.dcm"):
        content = path.read_bytes()
        meta = read_meta(content)
        found = scan(content, meta.transfer_syntax_uid, meta.dataset)
        assert found.sop_instance_uid == meta.sop_instance_uid, path
        assert path.parent.name == f"scp_{found.study_instance_uid}", path
        yield meta.sop_instance_uid


def _instance(sop: str) -> bytes:
    """A file of its own."""
    return dicom(study=STUDY, sop=sop, filler=len(sop) * 100)


def _part(dice: Dice, boundary: str, sop: str) -> bytes:
    head: bytes = _one(
        dice,
        *(b"Content-Type: application/dicom\r\n", b"content-type:application/dicom;x=y\r\n", b""),
        *(
            b"Content-Type: text/plain\r\n",
            b"Content-Type\r\n",
            b": \r\n",
            b"X: " + b"y" * 20_000 + b"\r\n",
            b"\xff\x00\r\n",
        ),
    )
    whole = _instance(sop)
    content: bytes = _one(
        dice,
        *(whole, whole, whole, whole[: dice.number(0, len(whole))], whole[128:], b"", dice.content(300)),
        *(
            _damaged(dice, whole),
            whole[:132] + dice.content(60),
            whole + dice.content(20),
            whole.replace(STUDY.encode(), b"x" * 9),
        ),
    )
    return f"--{boundary}\r\n".encode() + head + b"\r\n" + content + b"\r\n"


def _damaged(dice: Dice, content: bytes) -> bytes:
    changed = bytearray(content)
    for _ in range(dice.number(0, 4)):
        if changed:
            changed[dice.number(0, len(changed) - 1)] = dice.number(0, 255)
    return bytes(changed if dice.number(0, 4) else changed[: dice.number(0, len(changed))])


def _head(study: str, content_type: str, accept: str = "application/dicom+json") -> list[str]:
    return [
        f"POST /dicomweb/studies{study} HTTP/1.1",
        "Host: 127.0.0.1",
        f"Accept: {accept}",
        *([f"Content-Type: {content_type}"] if content_type else []),
    ]


def _plain(head: list[str], body: bytes) -> bytes:
    return _joined([*head, f"Content-Length: {len(body)}"]) + body


def _framed(dice: Dice, head: list[str], body: bytes, honest: bool) -> bytes:
    """With its length, in chunks, or, unless it is honest, with a length or chunks that lie."""
    way = dice.number(0, 1 if honest else 4)
    if way == 0:
        return _plain(head, body)
    if way == 2:
        return _joined([*head, f"Content-Length: {len(body) + dice.number(1, 9)}"]) + body
    if way == 3:
        return _joined([*head, f"Content-Length: {max(0, len(body) - dice.number(1, 9))}"]) + body
    pieces = list(chunks(body, dice.number(1, 3000) + len(body) // 50))
    chunked = [f"{len(each):x}\r\n".encode() + each + b"\r\n" for each in pieces] + [b"0\r\n\r\n"]
    if way == 4:
        chunked.insert(dice.number(0, len(chunked)), _one(dice, b"zz\r\n", b"-1\r\nx\r\n", b"ffffffffffffffffff\r\n"))
    return _joined([*head, "Transfer-Encoding: chunked"]) + b"".join(chunked)


def _joined(lines: list[str]) -> bytes:
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def _exchange(port: int, said: Said) -> Answer | None:
    with socket.create_connection(("127.0.0.1", port), timeout=WAITS) as connection:
        with suppress(ConnectionError):
            connection.sendall(said.content)
            if said.ends == "half":
                connection.shutdown(socket.SHUT_WR)
        if said.ends == "gone":
            return None
        response = HTTPResponse(connection)
        try:
            response.begin()
            return Answer(response.status, response.headers.get_content_type(), response.read())
        except TimeoutError:
            raise AssertionError("there is no answer, and no end") from None
        except (HTTPException, ConnectionError):
            # Whoever has said that no more will come is not always answered.
            assert said.ends == "half", "the connection ends without an answer"
            return None


def _one(dice: Dice, *of: Any) -> Any:
    return of[dice.number(0, len(of) - 1)]
