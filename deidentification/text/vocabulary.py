"""The words that are known to be harmless: generated from dictionaries of the field and reviewed lists."""

import json
from functools import lru_cache
from importlib.resources import files
from typing import Any, Final


def _load() -> dict[str, Any]:
    return dict(json.loads((files(__package__) / "data/vocabulary.json").read_text(encoding="utf-8")))


WORDS: Final = frozenset(word for block in _load()["blocks"] for line in block["words"] for word in str(line).split())


@lru_cache(maxsize=65536)
def known(word: str) -> bool:
    """Whether a word, in any case, belongs to the field's vocabulary."""
    return word.casefold() in WORDS
