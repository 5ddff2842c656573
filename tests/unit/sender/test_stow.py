"""The body that a STOW-RS server reads, and the answers that it gives."""

import email
import email.policy
from pathlib import Path
from typing import Any

from services.sender.clients.protocol import Answer, Outgoing
from services.sender.clients.stow import Body, answers, batches
from shared.scu.statuses import PROCESSING_FAILURE


def file(folder: Path, uid: str, content: bytes) -> Outgoing:
    path = folder / uid
    path.write_bytes(content)
    return Outgoing(path, "1", "2", uid, "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.2.1", len(content))


def item(uid: str, **reason: int) -> dict[str, Any]:
    return {"00081155": {"vr": "UI", "Value": [uid]}} | {
        f"0008{tag[1:]}": {"vr": "US", "Value": [value]} for tag, value in reason.items()
    }


def test_the_body_is_multipart_with_every_byte_and_the_announced_length(tmp_path: Path) -> None:
    contents = [b"DICM\r\n--not-a-boundary\r\n" * 3, b"", bytes(range(256)) * 3000]
    body = Body([file(tmp_path, f"1.{n}", content) for n, content in enumerate(contents)])
    wire = b"".join(body)
    assert len(wire) == int(body.headers["Content-Length"])
    head = f"Content-Type: {body.headers['Content-Type']}\r\n\r\n".encode()
    boundary = body.headers["Content-Type"].rpartition("=")[2].encode()
    parts = wire.split(b"--" + boundary)
    assert parts[-1] == b"--\r\n"
    assert [part.partition(b"\r\n\r\n")[2][:-2] for part in parts[1:-1]] == contents
    assert email.message_from_bytes(head + wire, policy=email.policy.HTTP).is_multipart()


def test_the_body_is_read_in_small_pieces(tmp_path: Path) -> None:
    body = Body([file(tmp_path, "1.1", bytes(5_000_000))])
    assert max(map(len, body)) <= 1 << 18


def test_batches_are_bounded_and_keep_the_order(tmp_path: Path) -> None:
    files = [file(tmp_path, f"1.{n}", bytes(size)) for n, size in enumerate([10, 10, 10, 50, 10, 10])]
    assert [[each.size for each in batch] for batch in batches(files, 25)] == [[10, 10], [10], [50], [10, 10]]
    assert [each for batch in batches(files, 25) for each in batch] == files


def test_each_instance_has_the_fate_that_the_answer_names(tmp_path: Path) -> None:
    files = [file(tmp_path, f"1.{n}", b"x") for n in range(5)]
    response = {
        "00081199": {"vr": "SQ", "Value": [item("1.0"), item("1.1", t1196=0xB000)]},
        "00081198": {"vr": "SQ", "Value": [item("1.2", t1197=0xA900), item("1.3")]},
    }
    assert answers(files, 202, response) == [
        Answer("1.0", 0),
        Answer("1.1", 0xB000),
        Answer("1.2", 0xA900),
        Answer("1.3", PROCESSING_FAILURE),
        Answer("1.4", PROCESSING_FAILURE),
    ]


def test_a_bare_200_means_all(tmp_path: Path) -> None:
    files = [file(tmp_path, "1.0", b"x")]
    assert answers(files, 200, None) == [Answer("1.0", 0)]
    assert answers(files, 202, None) == [Answer("1.0", PROCESSING_FAILURE)]


def test_an_answer_of_another_shape_is_no_success(tmp_path: Path) -> None:
    files = [file(tmp_path, "1.0", b"x")]
    shapes: list[dict[str, Any]] = [
        {"00081199": []},
        {"00081199": {"Value": ["1.0"]}},
        {"00081199": {"Value": [{"00081155": 1}]}},
    ]
    for shape in shapes:
        assert answers(files, 409, shape) == [Answer("1.0", PROCESSING_FAILURE)]
