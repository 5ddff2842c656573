"""STOW-RS on the wire: the multipart body, streamed from disk, and the answer's two lists (PS3.18 §10.5)."""

import secrets
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from services.sender.clients.protocol import Answer, Outgoing
from shared.scu.statuses import PROCESSING_FAILURE, SUCCESS

READ = 1 << 18
MOST_IN_ONE = 200
REFERENCED, FAILED = "00081199", "00081198"
SOP_INSTANCE, FAILURE_REASON, WARNING_REASON = "00081155", "00081197", "00081196"


def batches(instances: Sequence[Outgoing], most: int) -> Iterator[list[Outgoing]]:
    """Requests of about `most` bytes; a larger file goes alone."""
    batch: list[Outgoing] = []
    total = 0
    for instance in instances:
        if batch and (total + instance.size > most or len(batch) == MOST_IN_ONE):
            yield batch
            batch, total = [], 0
        batch.append(instance)
        total += instance.size
    if batch:
        yield batch


class Body:
    """A multipart/related body of files; its length is known before a byte of them is read."""

    def __init__(self, instances: Sequence[Outgoing]) -> None:
        self._boundary = secrets.token_hex(16)
        self._instances = instances
        self._sizes = [instance.file.stat().st_size for instance in instances]

    @property
    def headers(self) -> dict[str, str]:
        """For the request."""
        length = sum(len(self._head()) + size + 2 for size in self._sizes) + len(self._end())
        return {
            "Content-Type": f"multipart/related; type=application/dicom; boundary={self._boundary}",
            "Content-Length": str(length),
            "Accept": "application/dicom+json",
        }

    def __iter__(self) -> Iterator[bytes]:
        for instance, size in zip(self._instances, self._sizes, strict=True):
            yield self._head()
            with instance.file.open("rb", buffering=0) as file:
                left = size
                while left:
                    piece = file.read(min(READ, left))
                    if not piece:
                        raise OSError("the file is shorter than it was")
                    left -= len(piece)
                    yield piece
            yield b"\r\n"
        yield self._end()

    def _head(self) -> bytes:
        # Without the transfer-syntax parameter of PS3.18 §8.7.3.5: Orthanc 1.10 skips such a part and answers 200.
        return f"--{self._boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode()

    def _end(self) -> bytes:
        return f"--{self._boundary}--\r\n".encode()


def answers(instances: Sequence[Outgoing], http_status: int, response: Mapping[str, Any] | None) -> list[Answer]:
    """The fate of each instance of a request that was answered with 200, 202 or 409.

    One that is named nowhere was taken only by a server that names none (200 without lists): it is sent again.
    """
    named = {} if response is None else _named(response, REFERENCED, WARNING_REASON, SUCCESS)
    if response is not None:
        named |= _named(response, FAILED, FAILURE_REASON, PROCESSING_FAILURE)
    silent = http_status == 200 and not (response and {FAILED, REFERENCED} & response.keys())
    unnamed = SUCCESS if silent else PROCESSING_FAILURE
    return [Answer(each.sop_instance_uid, named.get(each.sop_instance_uid, unnamed)) for each in instances]


def _named(response: Mapping[str, Any], sequence: str, reason: str, otherwise: int) -> dict[str, int]:
    items = _values(response, sequence)
    return {
        str(uid): int(next(iter(_values(item, reason)), otherwise))
        for item in items
        if isinstance(item, Mapping)
        for uid in _values(item, SOP_INSTANCE)[:1]
    }


def _values(item: Mapping[str, Any], tag: str) -> list[Any]:
    element = item.get(tag)
    value = element.get("Value") if isinstance(element, Mapping) else None
    return value if isinstance(value, list) else []
