"""A participant must not be called after the patient: not by number, not by name, not by birth date.

What the project says of itself (its name, its naming pattern) tells nothing of a patient; and a PatientID that is one
of the project's names already, because somebody typed it at the scanner, is no identity.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from shared.registry.expressions import fits, is_open
from shared.tables import Project

SHORTEST: Final = 4
"""Characters that two names have to share to resemble one another: fewer meet by chance."""

PLAIN: Final = str.maketrans({"ø": "o", "æ": "ae", "ß": "ss", "đ": "d", "ł": "l", "þ": "th", "ð": "d"})
WEIGHTS: Final = ((3, 7, 6, 1, 8, 9, 4, 5, 2, 1), (5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1))
"""Of the two check digits of a Norwegian national identity number, each with the digit itself at the end."""


@dataclass(frozen=True)
class Person:
    """What is known of a patient; never logged, never in an answer."""

    patient_id: str = ""
    patient_name: str = ""
    accession_number: str = ""
    birth_date: str = ""


def resemblance(name: str, person: Person, project: Project) -> str | None:
    """The attribute of the patient that a participant's name is, contains or is contained in; None: of none."""
    if is_national_id(name):
        return "national identity number"
    said = project.name + project.participant_pattern
    plain, own, numbers = squeezed(name), squeezed(said), _numbers(name) - _numbers(said)
    for what, value in (("PatientID", person.patient_id), ("AccessionNumber", person.accession_number)):
        alike = _alike(plain, squeezed(value), own) or numbers & _numbers(value)
        if alike and not _typed(value, name, project):
            return what
    if not _typed(person.patient_name, name, project) and any(
        _called(plain, name, part, own) for part in _parts(person.patient_name)
    ):
        return "PatientName"
    digits = re.sub(r"\D", "", name)
    if any(form in digits for form in _dates(person.birth_date)):
        return "PatientBirthDate"
    return None


def squeezed(text: str) -> str:
    """Letters and digits alone, small, without accents."""
    return re.sub(r"[^a-z0-9]", "", _plain(text))


def is_national_id(name: str) -> bool:
    """Whether a Norwegian national identity number (or D, H or synthetic number) stands in it: by both check digits."""
    runs = re.findall(r"\d{11,}", re.sub(r"[ .-]", "", name))
    return any(_proves_itself(run[at : at + 11]) for run in runs for at in range(len(run) - 10))


def _typed(value: str, name: str, project: Project) -> bool:
    """Whether the identity is this very name, and one of a project that has names of its own."""
    same = value.strip() == name and "^" not in name
    return same and not is_open(project.participant_pattern) and fits(project.participant_pattern, name)


def _alike(name: str, value: str, own: str) -> bool:
    if not name or not value:
        return False
    shorter, longer = sorted((name, value), key=len)
    return name == value or (len(shorter) >= SHORTEST and shorter in longer and shorter not in own)


def _numbers(text: str) -> set[str]:
    stripped = (run.lstrip("0") for run in re.findall(r"[0-9]+", text))
    return {number for number in stripped if len(number) >= SHORTEST}


def _called(plain: str, name: str, part: str, own: str) -> bool:
    """Whether a part of the patient's name is a word of the participant's, or long enough to be seen within it."""
    if part in own:
        return False
    return part in _words(name) or _alike(plain, part, own)


def _parts(patient_name: str) -> Iterator[str]:
    return (part for part in _words(patient_name) if len(part) > 1)


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z]+", _plain(text))


def _plain(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", text.casefold().translate(PLAIN))
    return "".join(each for each in decomposed if not unicodedata.combining(each))


def _dates(birth_date: str) -> tuple[str, ...]:
    if not re.fullmatch(r"\d{8}", birth_date):
        return ()
    year, month, day = birth_date[:4], birth_date[4:6], birth_date[6:]
    return (year + month + day, day + month + year, month + day + year, day + month + year[2:], year[2:] + month + day)


def _proves_itself(number: str) -> bool:
    digits = [int(each) for each in number]
    day, month = digits[0] * 10 + digits[1], digits[2] * 10 + digits[3]
    plausible = 1 <= day % 40 <= 31 and day <= 71 and any(1 <= month - more <= 12 for more in (0, 20, 40, 65, 80))
    return plausible and all(
        sum(weight * digit for weight, digit in zip(weights, digits, strict=False)) % 11 == 0 for weights in WEIGHTS
    )
