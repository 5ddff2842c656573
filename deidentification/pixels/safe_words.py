"""Words that say which way is left and how large something is: not hidden when they stand alone, reviewed."""

import re
from itertools import permutations, product
from typing import Final

LETTERS: Final = ("LR", "AP", "HF", "SI")
VIEWS: Final = (
    *("AP", "PA", "LAT", "LL", "RL", "LAO", "RAO", "LPO", "RPO", "CC", "MLO", "ML", "LM", "LCC", "RCC", "LMLO", "RMLO"),
    *(
        "LML",
        "RML",
        "LEFT",
        "RIGHT",
        "ANTERIOR",
        "POSTERIOR",
        "SUPERIOR",
        "INFERIOR",
        "HEAD",
        "FEET",
        "SUPINE",
        "PRONE",
    ),
    *("ERECT", "UPRIGHT", "STANDING", "SITTING", "PORTABLE", "DECUB", "DECUBITUS"),
)
# One letter of one, two or three axes, in any order: L, LP, RAH.
DIRECTIONS: Final = tuple(
    "".join(letters) for count in (1, 2, 3) for axes in permutations(LETTERS, count) for letters in product(*axes)
)
ORIENTATION: Final = frozenset((*VIEWS, *DIRECTIONS))
UNITS: Final = r"(?:mm|cm|m/s|cm/s|dB|Hz|kHz|MHz|bpm|fps|ms|%|°|kV|mA|mAs|x)"
# A tick of a scale: up to two digits, or a number with a unit. Three digits alone may be the middle of an id.
TICK: Final = re.compile(rf"[+-]?\d{{1,2}}(?:[.,]\d)?|[+-]?\d{{1,4}}(?:[.,]\d{{1,2}})? ?{UNITS}", re.IGNORECASE)
WINDOW: Final = re.compile(r"[WCL]{1,2}[:= ]{0,2}-?\d{1,5}", re.IGNORECASE)


def is_safe(text: str) -> bool:
    """Whether the whole line, as it was read, is one of the reviewed words or patterns."""
    word = text.strip(" .:-|()[]")
    return len(word) < 2 or word.upper() in ORIENTATION or bool(TICK.fullmatch(word) or WINDOW.fullmatch(word))
