"""Names of months in the languages of the reports: English, Norwegian, Danish, Swedish, German."""

from collections.abc import Callable
from typing import Final

TABLES: Final = tuple(
    tuple(line.split())
    for line in (
        "january february march april may june july august september october november december",
        "jan feb mar apr may jun jul aug sep oct nov dec",
        "januar februar mars april mai juni juli august september oktober november desember",
        "jan feb mar apr mai jun jul aug sep okt nov des",
        "januar februar marts april maj juni juli august september oktober november december",
        "januari februari mars april maj juni juli augusti september oktober november december",
        "jan feb mar apr maj jun jul aug sep okt nov dec",
        "januar februar märz april mai juni juli august september oktober november dezember",
        "jan feb mär apr mai jun jul aug sep okt nov dez",
        "jan febr maerz apr mai juni juli aug sept okt nov dez",
    )
)
_PLACES: Final[dict[str, tuple[tuple[str, ...], int]]] = {}
for _table in TABLES:
    for _at, _name in enumerate(_table):
        _PLACES.setdefault(_name, (_table, _at))
MONTH: Final = "(?:" + "|".join(sorted(_PLACES, key=len, reverse=True)) + ")"


def renamed(name: str) -> tuple[int, Callable[[int], str]]:
    """The month's number, and how another month is called in the same language, length and case."""
    table, at = _PLACES[name.lower()]

    def call(month: int) -> str:
        other = table[month - 1]
        return other.upper() if name.isupper() else other.title() if name[0].isupper() else other

    return at + 1, call
