"""The codes of published schemes with the meanings that the Standard's context groups give them."""

from functools import lru_cache
from typing import Any, Final

OLD_SNOMED: Final = frozenset(("SRT", "SNM3", "99SDM"))


@lru_cache(maxsize=1)
def _meanings() -> dict[tuple[str, str], frozenset[str]]:
    # Two megabytes of source: only objects with unusual meanings need them.
    from pydicom.sr._concepts_dict import concepts

    found: dict[tuple[str, str], set[str]] = {}
    tables: dict[str, Any] = concepts
    for scheme, keywords in tables.items():
        for codes in keywords.values():
            for code, (meaning, _) in codes.items():
                found.setdefault((code, scheme), set()).add(meaning.casefold())
    return {pair: frozenset(meanings) for pair, meanings in found.items()}


@lru_cache(maxsize=1)
def _new_snomed() -> dict[str, str]:
    from pydicom.sr._snomed_dict import mapping

    return mapping["SRT"]


@lru_cache(maxsize=4096)
def meanings(value: str, scheme: str) -> frozenset[str]:
    """Every meaning, in lower case, that is published for a code; none for a code that is not known."""
    if scheme in OLD_SNOMED:
        value, scheme = _new_snomed().get(value, ""), "SCT"
    return _meanings().get((value, scheme), frozenset())
