"""Server-sent events, read as a browser reads them: line by line, and taken up again where they broke."""

import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import httpx

from cli.client import Client, Item
from cli.failure import Code, Failure

AGAIN: Final = 1.0
PATIENCE: Final = 30
"""How often in a row it is tried to take a stream up again."""


@dataclass(frozen=True)
class Said:
    """One event."""

    sort: str
    id: str | None
    data: Item


def read(lines: Iterable[str]) -> Iterator[Said]:
    """Events from the lines of a stream; comments are for keeping it open."""
    fields: dict[str, str] = {}
    for line in lines:
        if line.startswith(":"):
            continue
        if line:
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            fields[name] = f"{fields[name]}\n{value}" if name == "data" and name in fields else value
        elif fields:
            yield Said(fields.get("event", "message"), fields.get("id"), json.loads(fields.get("data") or "{}"))
            fields = {}


def following(client: Client) -> Iterator[tuple[str, Item]]:
    """What the gateway says, for ever; Failure when it refuses, or cannot be reached for half a minute."""
    last: str | None = None
    tries = 0
    while True:
        try:
            with client.lines("/stream", {"Last-Event-ID": last} if last is not None else {}) as lines:
                for said in read(lines):
                    tries = 0
                    last = said.id if said.id is not None else last
                    if said.sort not in ("hello", "end"):
                        yield said.sort, said.data
        except httpx.TransportError as error:
            tries += 1
            if tries > PATIENCE or last is None:
                raise Failure(f"no gateway at {client.base}; is `fiona up` running?", Code.UNREACHABLE) from error
        time.sleep(AGAIN)
