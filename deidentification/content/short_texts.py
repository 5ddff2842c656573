"""Short texts that no row of E.1-1 lists: written by a device they stay, typed by a person they are cleaned."""

from typing import Final

from deidentification.content.cleaners import SPECIAL
from deidentification.profiles.rules import CLEAN, DUMMY, EMPTY, KEEP, Rule

SHORT: Final = ((b"LO",), (b"SH",))

# LO and SH that machines and standards fill: makers, models, versions, techniques, nomenclatures, codes. Code meanings
# and values are settled item by item (`content.codes`).
HARMLESS: Final = frozenset(
    (
        *(0x00080010, 0x00080041, 0x00080070, 0x00080100, 0x00080102, 0x00080103, 0x00080104, 0x00080112),
        *(0x00080122, 0x00080222, 0x00081090, 0x00100213, 0x00100223, 0x00120063, 0x00180024, 0x00180030, 0x00180031),
        *(0x00180085, 0x00181016, 0x00181017, 0x00181018, 0x00181019, 0x0018101A, 0x0018101B, 0x00181020, 0x00181022),
        *(0x00181023, 0x00181040, 0x00181061, 0x00181064, 0x00181070, 0x00181085, 0x00181160, 0x00181161, 0x00181180),
        *(0x001811A4, 0x001811B0, 0x001811B1, 0x00181210, 0x00181250, 0x00181251, 0x00181260, 0x00181261, 0x00181401),
        *(0x00185000, 0x00185010, 0x00185020, 0x00185021, 0x0018702A, 0x0018702B, 0x00189005, 0x00189041, 0x00189046),
        *(0x00189047, 0x00189050, 0x00189175, 0x00189186, 0x0018925B, 0x0018925E, 0x00189320, 0x00189524, 0x00189525),
        *(0x00189526, 0x00200070, 0x00203404, 0x00205002, 0x00209056, 0x00209213, 0x00209238, 0x00221093, 0x00221159),
        *(0x00221273, 0x00221616, 0x00240202, 0x00240307, 0x00280050, 0x0028005F, 0x00280061, 0x00280063, 0x00280401),
        *(0x00280403, 0x00281054, 0x00283004, 0x00287004, 0x00287020, 0x00409210, 0x00420012, 0x00420014, 0x00480106),
        *(0x00541101, 0x00541103, 0x00541104, 0x00541105, 0x00620009, 0x00660031, 0x00660036, 0x006A000E, 0x00700227),
        *(0x00700229, 0x00720054, 0x00720056, 0x00741056, 0x00741222, 0x00741230, 0x00820018, 0x00820019, 0x2200000C),
        *(0x3008002B, 0x300A021B, 0x300A0226, 0x300A0238, 0x300A0242, 0x300A0298, 0x3010001A),
    )
)
# Longer texts that are kept by default and that sites fill: Coding Scheme Name.
LONG: Final = frozenset((0x00080115,))
# Type 1 where it is used, so that an empty one would be wrong.
NEVER_EMPTY: Final = frozenset((0x00620005, 0x00209421, 0x00720203, 0x00760001, 0x00780001))


def refined(rules: dict[int, Rule]) -> dict[int, Rule]:
    """The rules with what is kept only by default cleaned: short texts, and values that have lists of their own."""
    return rules | {tag: _cleaned(tag, rule) for tag, rule in rules.items() if _to_clean(tag, rule)}


def _to_clean(tag: int, rule: Rule) -> bool:
    if rule.act is not KEEP or rule.code != "K" or not rule.source.startswith("data dictionary"):
        return False
    return tag in SPECIAL or tag in LONG or (rule.vrs in SHORT and tag not in HARMLESS)


def _cleaned(tag: int, rule: Rule) -> Rule:
    return rule._replace(act=CLEAN, code="C", otherwise=DUMMY if tag in NEVER_EMPTY else EMPTY)
