"""From bytes to text: what spreadsheets and EDC systems write in this part of the world, letters intact."""

import codecs

MARKS: tuple[tuple[bytes, str], ...] = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
LOOKED_AT = 4096
SINGLE_BYTES = ("windows-1252", "latin-1")
"""The second only knows the five bytes that the first does not."""


def decode(content: bytes) -> tuple[str, str]:
    """The text, and the name of the encoding that it was in; UnicodeDecodeError when a mark lies."""
    name = next((name for mark, name in MARKS if content.startswith(mark)), None) or _unmarked(content)
    return content.decode(name), name.removesuffix("-sig")


def _unmarked(content: bytes) -> str:
    """UTF-16 shows by the zeros of its Latin letters; UTF-8 is hardly ever valid by chance."""
    head = content[:LOOKED_AT]
    even, odd = head[::2].count(0), head[1::2].count(0)
    if max(even, odd) > len(head) // 8:
        return "utf-16-be" if even > odd else "utf-16-le"
    for name in ("utf-8", *SINGLE_BYTES):
        try:
            content.decode(name)
        except UnicodeDecodeError:
            continue
        return name
    raise AssertionError("latin-1 reads every byte")
