"""What stands at attribute paths of files that anybody may have sent: `python -m shared.dicom.apart`.

A file may be made to harm whoever reads it, so it is read in a process of its own with limits on memory, time and what
it may say. Asked and answered as JSON over its own pipes, since values are a patient's. Pixels are never read.
"""

import asyncio
import base64
import binascii
import io
import json
import resource
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Final

from shared.registry.attribute_paths import Step, steps

SECONDS: Final = 10
MEMORY: Final = 2**31
LONGEST: Final = 4096
"""Characters of a value."""

MOST: Final = 100
"""Values of one path in one file."""

MOST_FILES: Final = 64

Values = dict[str, list[str]]
"""By attribute path."""


class CannotRead(Exception):
    """The files cannot be read; the text is free of PHI."""


async def values_at(sources: Sequence[Path] | bytes, paths: Sequence[str]) -> list[Values]:
    """The values at each path, of each file or of one that is given as bytes; none of a file that is no DICOM."""
    asked = {
        "paths": list(paths),
        "files": [str(each) for each in sources[:MOST_FILES]] if not isinstance(sources, bytes) else [],
        "content": base64.b64encode(sources).decode() if isinstance(sources, bytes) else None,
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "shared.dicom.apart"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={"PYTHONPATH": ":".join(filter(None, sys.path)), "PATH": ""},
    )
    try:
        said, _ = await asyncio.wait_for(process.communicate(json.dumps(asked).encode()), SECONDS)
    except TimeoutError:
        raise CannotRead("reading it took too long") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        raise CannotRead("it cannot be read")
    found: list[Values] = json.loads(said)
    return found


def look(asked: dict[str, Any]) -> Iterator[Values]:
    """In the process of its own: read what is asked for, one file after another."""
    ways = {path: steps(path) for path in asked["paths"]}
    if asked["content"] is not None:
        yield _read(io.BytesIO(base64.b64decode(asked["content"])), ways)
    for each in asked["files"]:
        try:
            with Path(each).open("rb") as file:
                yield _read(file, ways)
        except OSError:
            yield {}


def _read(file: BinaryIO, ways: dict[str, list[Step]]) -> Values:
    from pydicom import config, dcmread

    config.settings.reading_validation_mode = config.IGNORE
    try:
        dataset = dcmread(file, force=True, defer_size="1 MB", stop_before_pixels=True)
        return {path: list(_values(dataset, way))[:MOST] for path, way in ways.items()}
    except Exception:  # whatever pydicom makes of it: a file that cannot be read says nothing
        return {}


def _values(dataset: Any, way: Sequence[Step]) -> Iterator[str]:
    step, rest = way[0], way[1:]
    tag = step.tag if step.creator is None else _private(dataset, step)
    if tag is None or tag not in dataset:
        return
    element = dataset[tag]
    if element.VR == "SQ":
        items = element.value if step.item is None else element.value[step.item : step.item + 1]
        for item in items if rest else ():
            yield from _values(item, rest)
    elif not rest and (text := _text(element.value)) is not None:
        yield text[:LONGEST]


def _private(dataset: Any, step: Step) -> int | None:
    """The element in the block that its creator has reserved in this dataset (PS3.5 §7.8)."""
    group = step.tag >> 16
    for block in range(0x10, 0x100):
        creator = dataset.get((group, block))
        if creator is not None and str(creator.value).strip() == step.creator:
            return group << 16 | block << 8 | step.tag & 0xFF
    return None


def _text(value: Any) -> str | None:
    """The value as text, several ones with backslashes between, bytes as Latin-1."""
    if value is None:
        return None
    if isinstance(value, bytes):
        return value[:LONGEST].decode("latin-1").rstrip("\0 ")
    if isinstance(value, str) or not hasattr(value, "__iter__") or hasattr(value, "components"):
        return str(value)
    return "\\".join(str(each) for each in value)


def main() -> None:
    """In the process of its own."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    try:
        said = list(look(json.loads(sys.stdin.buffer.read())))
    except (ValueError, binascii.Error):
        sys.exit(1)
    sys.stdout.write(json.dumps(said))


if __name__ == "__main__":
    main()
