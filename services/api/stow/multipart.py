"""A multipart/related body, as it comes in, as a list of what begins, goes on and ends. Holds no part."""

import re
from dataclasses import dataclass, field
from email.message import Message

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser

from services.api.problems import Problem

_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,./:=? -]{0,199}[0-9A-Za-z'()+_,./:=?-]")
"""RFC 2046 §5.1.1, but for its limit of 70 characters: Orthanc's have 73."""


@dataclass(frozen=True)
class PartBegins:
    """Its head is complete."""

    media_type: str


@dataclass(frozen=True)
class PartData:
    """Some of its content."""

    data: bytes


@dataclass(frozen=True)
class PartEnds:
    """All of it was there."""


Step = PartBegins | PartData | PartEnds


def media_type(header: str) -> tuple[str, dict[str, str]]:
    """A Content-Type as type and parameters, both in lower case but for the parameters' values."""
    message = Message()
    message["content-type"] = header
    parameters = message.get_params(header="content-type") or []
    return message.get_content_type(), {key.lower(): value for key, value in parameters[1:]}


def boundary_of(content_type: str) -> bytes:
    """The boundary of a request of DICOM instances; a problem for any other type of request."""
    if not content_type:
        raise Problem("unsupported-media-type", 'send multipart/related; type="application/dicom"')
    kind, parameters = media_type(content_type)
    root = parameters.get("type", "application/dicom").lower()
    if kind != "multipart/related" or root != "application/dicom":
        raise Problem("unsupported-media-type", 'send multipart/related; type="application/dicom"')
    boundary = parameters.get("boundary", "")
    if not _BOUNDARY.fullmatch(boundary):
        raise Problem("malformed-request", "the boundary is missing or cannot be one")
    return boundary.encode("ascii")


@dataclass
class Body:
    """Feed it chunks; a problem when they are not multipart. `complete` once the last boundary was seen."""

    boundary: bytes
    complete: bool = False
    _steps: list[Step] = field(default_factory=list)
    _name: bytes = b""
    _value: bytes = b""
    _type: str = ""

    def __post_init__(self) -> None:
        self._parser = MultipartParser(
            self.boundary,
            {
                "on_part_begin": self._begin,
                "on_header_begin": self._header,
                "on_header_field": self._header_name,
                "on_header_value": self._header_value,
                "on_header_end": self._header_end,
                "on_headers_finished": lambda: self._steps.append(PartBegins(self._type)),
                "on_part_data": lambda data, start, end: self._steps.append(PartData(data[start:end])),
                "on_part_end": lambda: self._steps.append(PartEnds()),
                "on_end": self._end,
            },
        )

    def feed(self, chunk: bytes) -> list[Step]:
        """What the chunk brought."""
        try:
            self._parser.write(chunk)
        except FormParserError:
            raise Problem("malformed-request", "the body is not multipart as its boundary says") from None
        steps, self._steps = self._steps, []
        return steps

    def _begin(self) -> None:
        # RFC 2387 gives no default; PS3.18 has every part say what it is, and some clients do not.
        self._type = "application/dicom"

    def _header(self) -> None:
        self._name = self._value = b""

    def _header_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        if self._name.lower() == b"content-type":
            self._type = media_type(self._value.decode("latin-1"))[0]

    def _end(self) -> None:
        self.complete = True
