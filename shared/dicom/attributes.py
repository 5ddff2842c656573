"""What stands at attribute paths of files, read apart: `python -m shared.dicom.attributes`. Pixels are never read."""

import base64
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Final

from shared.dicom.apart import answer, ask, in_text
from shared.registry.attribute_paths import Step, steps

SECONDS: Final = 30
LONGEST: Final = 4096
"""Characters of a value."""

MOST: Final = 100
"""Values of one path in one file."""

MOST_FILES: Final = 64
DEFERRED: Final = 1 << 20
"""Bytes of a value that is not read unless it is wanted."""

PIXELS: Final = 0x7FE00008
"""Where they begin: Float Pixel Data is the first of its kind (PS3.6)."""

Values = dict[str, list[str]]
"""By attribute path."""


async def values_at(sources: Sequence[Path] | bytes, paths: Sequence[str]) -> list[Values]:
    """The values at each path, of each file or of one that is given as bytes; none of a file that is no DICOM."""
    asked = {
        "paths": list(paths),
        "files": [str(each) for each in sources[:MOST_FILES]] if not isinstance(sources, bytes) else [],
        "content": base64.b64encode(sources).decode() if isinstance(sources, bytes) else None,
    }
    found: list[Values] = await ask("shared.dicom.attributes", asked, SECONDS)
    return found


def look(asked: dict[str, Any]) -> Iterator[Values]:
    """In the process of its own: read what is asked for, one file after another."""
    ways = {path: steps(path) for path in asked["paths"]}
    last = max((_last(way[0]) for way in ways.values()), default=0)
    if asked["content"] is not None:
        yield _read(io.BytesIO(base64.b64decode(asked["content"])), ways, last)
    for each in asked["files"]:
        try:
            with Path(each).open("rb") as file:
                yield _read(file, ways, last)
        except OSError:
            yield {}


def _last(step: Step) -> int:
    """Behind which element there is nothing more to look for; a creator may have any block of its group."""
    return step.tag if step.creator is None else step.tag | 0xFFFF


def _read(file: BinaryIO, ways: dict[str, list[Step]], last: int) -> Values:
    """What an enhanced image says of each of its frames stands near its end, and takes long to read."""
    from pydicom import config
    from pydicom.filereader import read_partial

    config.settings.reading_validation_mode = config.IGNORE
    end = min(last, PIXELS - 1)
    try:
        dataset = read_partial(file, lambda tag, *_: tag > end, defer_size=DEFERRED, force=True)
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
    elif not rest and (text := (in_text(element.value, LONGEST) or "").strip("\0 ")):
        yield text


def _private(dataset: Any, step: Step) -> int | None:
    """The element in the block that its creator has reserved in this dataset (PS3.5 §7.8)."""
    group = step.tag >> 16
    for block in range(0x10, 0x100):
        creator = dataset.get((group, block))
        if creator is not None and str(creator.value).strip() == step.creator:
            return group << 16 | block << 8 | step.tag & 0xFF
    return None


if __name__ == "__main__":
    answer(lambda asked: list(look(asked)))
