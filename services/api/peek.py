"""What stands at an attribute path of an archived file: `python -m services.api.peek FILE PATH`.

The file is in quarantine, so it may be made to harm whoever reads it: it is read in a process of its own with limits
on memory, time and what it may say. What it prints is a value of a patient: one JSON object, for the one who asked.
"""

import asyncio
import json
import re
import resource
import sys
from pathlib import Path
from typing import Any, Final

SECONDS: Final = 20
MEMORY: Final = 2**31
LONGEST: Final = 4096
"""Characters of a value that are shown."""

STEP: Final = re.compile(r"\(([0-9A-Fa-f]{4}),([0-9A-Fa-f]{4})\)(?:\[(\d+)\])?")


class CannotPeek(Exception):
    """The value cannot be shown; the text is free of PHI."""


async def peek(file: Path, where: str) -> dict[str, Any]:
    """Keyword, VR and value (None: nothing to show) of what stands there, and whether the value is whole."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "services.api.peek", str(file), where),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={"PYTHONPATH": ":".join(filter(None, sys.path)), "PATH": ""},
    )
    try:
        said, _ = await asyncio.wait_for(process.communicate(), SECONDS)
    except TimeoutError:
        raise CannotPeek("reading it took too long") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        raise CannotPeek("it cannot be read that far")
    found: dict[str, Any] = json.loads(said)
    return found


def steps(where: str) -> list[tuple[int, int | None]]:
    """Tags and item indices of an attribute path, outermost first; ValueError when it is none."""
    if not where or STEP.sub("", where).strip("."):
        raise ValueError("not an attribute path")
    return [(int(group + element, 16), int(item) if item else None) for group, element, item in STEP.findall(where)]


def look(file: Path, where: str) -> dict[str, Any]:
    """In the process of its own: read as far as the path leads."""
    from pydicom import Dataset, config, dcmread

    config.settings.reading_validation_mode = config.IGNORE
    path = steps(where)
    dataset: Dataset = dcmread(file, force=True, defer_size="1 MB", specific_tags=[path[0][0], 0x00080005])
    for tag, index in path[:-1]:
        dataset = dataset[tag].value[index or 0]
    tag, index = path[-1]
    if tag not in dataset:
        return {"keyword": "", "vr": "", "value": None, "whole": True}
    element = dataset[tag]
    value = _text(element.value, str(element.VR))
    return {
        "keyword": element.keyword,
        "vr": str(element.VR),
        "value": value[:LONGEST] if value is not None else None,
        "whole": value is None or len(value) <= LONGEST,
    }


def _text(value: Any, vr: str) -> str | None:
    """The value for people: text as it is, bytes as Latin-1, a sequence or an image as nothing."""
    if value is None or vr in ("SQ", "OB or OW", "OW"):
        return None
    if isinstance(value, bytes):
        return value[: LONGEST + 1].decode("latin-1")
    if isinstance(value, str) or not hasattr(value, "__iter__") or hasattr(value, "components"):
        return str(value)
    return "\\".join(str(each) for each in value)


def main() -> None:
    """In the process of its own."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    file, where = sys.argv[1:]
    sys.stdout.write(json.dumps(look(Path(file), where)))


if __name__ == "__main__":
    main()
