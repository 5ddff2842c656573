"""Everything that the result of an element depends on besides its own bytes and depth."""

from dataclasses import dataclass, field
from typing import Final

from deidentification.content import documents
from deidentification.dataset import carriers, dates, uids
from deidentification.dataset.encoding import Encoding, element
from deidentification.dataset.memory import Memory
from deidentification.dataset.pseudonyms import NONE, keeping
from deidentification.profiles.model import Profile
from deidentification.profiles.rules import HASH, Compiled, Rule
from deidentification.standard.tables import Option
from deidentification.subject import Subject
from deidentification.text import Person

NOBODY: Final = Person()
Path = tuple[int, ...]


def days_of(subject: Subject, profile: Profile) -> int:
    """Days that every date moves: those given for the subject, the profile's fixed ones, the participant's own."""
    if subject.date_shift_days is None and profile.dates.shift == "fixed":
        return profile.dates.days
    return subject.shift_days


def moved_day(subject: Subject, profile: Profile, day: str) -> str | None:
    """Where a day (YYYYMMDD) of the subject is moved to; None: the profile moves none, or it is no day."""
    if Option.MODIFIED_DATES not in profile.options:
        return None
    moved = dates.shift(day.encode(), days_of(subject, profile), b"DA")
    return None if moved is None else moved.decode()


@dataclass(frozen=True, eq=False)
class Context:
    """One subject under one profile for one kind of object.

    `rules` and `nested` are the profile's with what `content` adds, `within` those inside certain sequences;
    `treatment` is what becomes of an encapsulated document; `character_set` is the one that
    the file declares; `days` moves dates, `text_days` those in text (None: they are removed); `removed` are the paths
    of content items that are left out, where references between content items have to be numbered anew;
    `pseudonyms` are values that stay, for they are the subject's already.
    """

    subject: Subject
    profile: Compiled
    rules: dict[int, Rule]
    nested: dict[int, Rule]
    within: dict[int, dict[int, Rule]]
    treatment: documents.Treatment
    encoding: Encoding
    character_set: bytes
    released: frozenset[str] = frozenset()
    person: Person = NOBODY
    removed: frozenset[Path] = frozenset()
    pseudonyms: frozenset[bytes] = NONE
    new_uid: uids.Mapped = field(init=False)
    days: int = field(init=False)
    text_days: int | None = field(init=False)
    values: dict[int, bytes] = field(init=False)
    inserted: dict[int, bytes] = field(init=False)
    keeps_private: bool = field(init=False)
    hashes: tuple[tuple[int, Rule], ...] = field(init=False)
    memory: Memory = field(init=False)

    def __post_init__(self) -> None:
        profile, days = self.profile.profile, days_of(self.subject, self.profile.profile)
        moves, keeps = self.profile.modified_dates, self.profile.keeps_dates
        declared = self.character_set or None
        values, _ = carriers.carriers(self.subject, declared)
        inserted = carriers.inserted(self.subject, declared, profile, self.encoding)
        if self.treatment.dummy:
            kind = self.treatment.dummy
            length = len(kind.dummy).to_bytes(4, "little" if self.encoding.little else "big")
            inserted = inserted | {
                documents.MIME_TYPE: element(documents.MIME_TYPE, b"LO", kind.mime_type, self.encoding),
                documents.LENGTH: element(documents.LENGTH, b"UL", length, self.encoding),
            }
        split = sorted({*inserted, *carriers.COMPANIONS})
        derived = {
            "new_uid": keeping(uids.mapped_by(profile.uids, self.subject.key, self.subject.project), self.pseudonyms),
            "days": days if moves else 0,
            "text_days": days if moves else 0 if keeps else None,
            "values": values,
            "inserted": inserted,
            "keeps_private": bool(self.profile.private or self.profile.own_private),
            "hashes": tuple((tag, rule) for tag, rule in self.rules.items() if rule.act is HASH and rule.argument),
            "memory": Memory(split),
        }
        for name, value in derived.items():
            object.__setattr__(self, name, value)
