"""What has no place in any text: addresses of mail and the web, paths, phone numbers, times, high ages, versions."""

import re
from typing import Final

# Stands for something removed, until the text is put together again; not a character that a text may hold.
GAP: Final = "\ue000"
# Controls, private use, and spaces and marks that no reader sees; line ends and undecoded bytes are left to the words.
CONTROLS: Final = re.compile(
    "[^\\t\\n\\r\\x20-\ud7ff\ufb00-\ufffd\U00010000-\U0010ffff\udc80-\udcff]|[\\x7f-\\xa0\\xad]"
    "|[\\u1680\\u2000-\\u200f\\u2028-\\u202f\\u205f-\\u206f\\u3000\\ufeff]"
)
# Longer than any word, longer than any space that means something: nothing else is looked for across them.
ENDLESS: Final = re.compile(r"\S{129,}")
BLANK: Final = re.compile(r"[ \t]{17,}|(?:\s*\n){9,}\s*")
REMOVED: Final = re.compile(
    r"""
      \S+@\S+                                                      # mail
    | (?<![^\W_])(?:[a-z][a-z0-9+.\-]{1,9}://|www\.)\S+            # the web
    | (?<![^\W_])[\w\-]+(?:\.[\w\-]+)*\.(?:no|se|dk|de|uk|eu|com|org|net|edu|gov|local|lan|int|intern)(?![\w\-])
    | (?<![^\W_])[a-z]:[\\/]\S*                                    # paths
    | \\\\\S+
    | (?<![\w/])(?:\.\.?)?/(?:[\w.\-]+/)+[\w.\-]*
    | (?<![^\W_])(?:kl|um|at)\.?\s?\d{1,2}[.:h]\d\d(?!\d)          # times of day
    | (?<![\d:])\d{1,2}:\d\d(?::\d\d(?:[.,]\d+)?)?(?![\d:])
    | (?<!\d)\d{1,2}h\d\d(?!\d)
    | (?<![^\W_])(?:9\d|1[0-4]\d)[ \-]{0,2}(?:years?|yrs?|y/?o?|(?:år|aar)(?:s|ig|inge?|ige|ing)?|jahre?n?
      |jährige?[rnsm]?|ans?|jaar|jarige?)(?![^\W_])                                                  # high ages
    | (?<![^\W_])(?-i:[MFK])/?(?:9\d|1[0-2]\d)(?![^\W_])
    | (?<![^\W_])(?:9\d|1[0-2]\d)/?(?-i:[MFK])(?![^\W_])
    | (?<!\w)['’]\d\d(?![^\W_])                                     # years
    | (?<![^\W_])0?(?:9\d|1[0-4]\d)y(?![^\W_])
    | (?<![^\W_])(?:age|aged|alder|ålder|alter)\W{1,3}0?(?:9\d|1[0-4]\d)y?(?![^\W_])
    | (?<![^\W_])\d+(?:\.\d+){2,}                                  # UIDs, addresses of hosts, versions
    """,
    re.VERBOSE | re.IGNORECASE,
)
# Numbers written one behind the other: phone numbers, civil registration numbers, account numbers.
CHAIN: Final = re.compile(r"(?<![^\W_])[+(]{0,2}\d+(?:[ \t]?[-./()]{0,2}[ \t]?\d+)+|\+\d+")
LONGEST_CHAIN: Final = 6
_DECIMALS: Final = re.compile(r"\d{1,4}[.,]\d{1,3}(?:/\d{1,4}[.,]\d{1,3})*")


def without_endless(text: str) -> str:
    """The text with a GAP for every endless word; long blanks are shortened."""
    return ENDLESS.sub(GAP, BLANK.sub(lambda match: "\n" if "\n" in match[0] else " ", text))


def without_patterns(text: str) -> str:
    """The text with a GAP for every part that a pattern finds."""
    return CHAIN.sub(_chain, REMOVED.sub(GAP, text))


def _chain(match: re.Match[str]) -> str:
    digits = sum(sign.isdigit() for sign in match[0])
    return match[0] if digits <= LONGEST_CHAIN or _DECIMALS.fullmatch(match[0]) else GAP
