"""A title or a label takes the name that follows it along, even when the name is a word of the field."""

import re
from typing import Final

from deidentification.text.patterns import GAP
from deidentification.text.vocabulary import known

# Case matters: MR and DR are modalities, ms a unit.
TITLE: Final = re.compile(
    r"(?<![^\W_])(?:"
    r"(?:[Dd]r|DR(?=\.)|[Pp]rof|PROF|[Pp]rofess?or|PROFESS?OR|[Dd]okt(?:or|er)|[Dd]octor|DOCTOR|[Oo]verlege|[Ll]ege"
    r"|[Oo]verlæge|[Ll]æge|[Öö]verläkare|[Ll]äkare|Ober(?:arzt|ärztin)|Chef(?:arzt|ärztin)|Arzt|Ärztin|[Ff]rau|FRAU"
    r"|[Hh]errn?|HERRN?|Hr|Fr|[Ff]ru|FRU|[Ff]røken|Mr|Mrs|MRS|Ms|Miss|[Nn]urse|[Ss]ister|[Ss]ykepleier|[Ss]yke?pl"
    r"|[Ss]juksköterska|[Ss]ygeplejerske|[Ss]chwester|[Rr]adiograf|[Rr]adiographer|[Mm]other|[Ff]ather|[Ww]ife"
    r"|[Hh]usband|[Dd]aughter|[Bb]rother|[Mm]or|[Ff]ar|[Ss]øster|[Bb]ror|[Dd]atter|[Kk]one|[Ee]ktemann)(?![^\W_])\.?"
    r"|(?i:patient(?:in)?|pasient|pat|name|navn|namn|operator|sign(?:ed|ert|atur)?|referrer|ref(?:erred)?\ by"
    r"|henvist\ av|henviser|rekvirent|remittent|remiss|zuweiser|performed\ by|utført\ av|beskrevet\ av|by\ dr)\ ?[:=]"
    r")"
)
# Degrees between a title and a name, and further titles.
DEGREES: Final = re.compile(r"[ .,]*(?:med|dent|phil|univ|dipl|habil|h\.\ ?c|dr|prof|doc|ing)\.?(?![^\W_])", re.I)
WORD: Final = re.compile(r"[ ,_\^\t]*([^\W\d_][\w'’\-]*\.?)")
# All capitals, no dot: a title only before a word that the field does not know.
SHOUTED: Final = re.compile(r"(?<![^\W_])DR(?= [^\W\d_])")
PARTICLES: Final = frozenset(
    ("van", "von", "der", "den", "de", "av", "af", "la", "le", "di", "da", "dos", "du", "zu", "zur")
)
MOST_WORDS: Final = 4
# Frequent names that are words of the field: two of them in a row, written as names are, are somebody.
NAMES: Final = "An|Dag|Iris|La|Li|Lien|Line|Long|Ma|Max|Norm|Per|Stone|Ward"
NAMED: Final = re.compile(rf"(?<![^\W_])(?:{NAMES})(?:[ ,_\^\-]{{1,2}}(?:{NAMES}))+(?![^\W_])")


def without_titles(text: str) -> str:
    """The text with a GAP for every title or label with what it introduces."""
    text = SHOUTED.sub(lambda match: _shouted(match, text), text)
    pieces, at = [], 0
    while match := TITLE.search(text, at):
        pieces += [text[at : match.start()], GAP]
        at = _after_name(text, match.end())
    return "".join((*pieces, text[at:])) if pieces else text


def without_names(text: str) -> str:
    """The text with a GAP for every row of words that are rather names."""
    return NAMED.sub(GAP, text)


def _shouted(match: re.Match[str], text: str) -> str:
    following = WORD.match(text, match.end())
    return "DR." if following and not known(following[1].rstrip(".")) else match[0]


def _after_name(text: str, at: int) -> int:
    """Where the name ends: its first word always goes, more while they look like a name."""
    while degree := DEGREES.match(text, at):
        at = degree.end()
    for number in range(MOST_WORDS):
        match = WORD.match(text, at)
        if not match:
            break
        word = match[1].rstrip(".")
        named = word[0].isupper() and not (word.isupper() and known(word))
        if number and not named and word.lower() not in PARTICLES:
            break
        at = match.end()
    return at
