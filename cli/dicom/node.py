"""A DICOM node by its address, `AET@host:port`."""

import re
from dataclasses import dataclass
from typing import Self

from cli.failure import Code, Failure

_NODE = re.compile(r"(?P<aet>[^@\\]{1,16})@(?P<host>\[[0-9A-Fa-f:.]+\]|[^:\[\]]+):(?P<port>\d{1,5})")


@dataclass(frozen=True)
class Node:
    """An application entity at an address."""

    aet: str
    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """`AET@host:port`; an IPv6 host stands in brackets."""
        found = _NODE.fullmatch(text.strip())
        if found is None or not 0 < int(found["port"]) < 65536 or not found["aet"].strip():
            raise Failure(f"{text!r} is not AET@host:port", Code.USAGE)
        return cls(found["aet"].strip(), found["host"].strip("[]"), int(found["port"]))

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.aet}@{host}:{self.port}"
