"""What stands at an attribute path of an archived file in quarantine, read apart: `python -m services.api.peek`."""

import re
from pathlib import Path
from typing import Any, Final

from shared.dicom.apart import answer, ask, in_text

SECONDS: Final = 20
LONGEST: Final = 4096
"""Characters of a value that are shown."""

STEP: Final = re.compile(r"\(([0-9A-Fa-f]{4}),([0-9A-Fa-f]{4})\)(?:\[(\d+)\])?")


async def peek(file: Path, where: str) -> dict[str, Any]:
    """Keyword, VR and value (None: nothing to show) of what stands there, and whether it is whole; CannotRead."""
    found: dict[str, Any] = await ask("services.api.peek", [str(file), where], SECONDS)
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
    """The value for people: a sequence or an image is nothing."""
    return None if vr in ("SQ", "OB or OW", "OW") else in_text(value, LONGEST + 1)


if __name__ == "__main__":
    answer(lambda asked: look(Path(asked[0]), asked[1]))
