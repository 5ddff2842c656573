"""What is wrong with rows, by themselves and as a project's."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, partial

from services.api.coupling.columns import IDENTIFIERS, official
from services.api.coupling.likeness import gives_away, identities
from services.api.coupling.rows import Flaws, Row
from shared.registry import expressions
from shared.registry.resemblance import squeezed
from shared.registry.spelling import explained
from shared.store import valid_uid
from shared.tables import Project

TEXT = re.compile(r"[^\\\x00-\x1f\x7f]+")
LONGEST = 64
"""Of every value: VR LO and UI take no more, of an accession number (SH) the catalogue keeps more than its 16."""


@dataclass(frozen=True)
class Terms:
    """What a project asks of a row."""

    project: Project
    projects: frozenset[str]
    """The names of all there are."""

    @property
    def events(self) -> Sequence[str]:
        """Those with images; none: any."""
        return [each for each in self.project.events if each not in (self.project.events_without_images or ())]


def check(rows: Iterable[Row], terms: Terms, flaws: Flaws) -> list[Row]:
    """The rows that are good; the flaws of the others are added."""
    rows = list(rows)
    named = identities(rows)
    pattern, events = terms.project.participant_pattern, terms.events
    asked = explained(pattern)
    fits = cache(partial(expressions.fits, pattern))
    good = []
    for row in rows:
        before = flaws.total
        _names_something(row, flaws)
        _lengths(row, flaws)
        _belongs(row, terms, flaws)
        if not row.participant:
            flaws.add(row.line, "participant", "is missing")
        elif not fits(row.participant):
            flaws.add(row.line, "participant", asked)
        elif (why := gives_away(row, terms.project)) is not None:
            flaws.add(row.line, "participant", why)
        elif squeezed(row.participant) in named:
            why = "is an AccessionNumber or PatientID of another line: it has to be a pseudonym"
            flaws.add(row.line, "participant", why)
        if terms.project.events and row.event not in events:
            flaws.add(row.line, "event", f"there are: {', '.join(events)}")
        if flaws.total == before:
            good.append(row)
    return good


def _names_something(row: Row, flaws: Flaws) -> None:
    if not any(getattr(row, name) for name in IDENTIFIERS):
        flaws.add(row.line, "accession_number", f"names no study: {', '.join(map(official, IDENTIFIERS))}")
    if row.issuer and not row.patient_id:
        flaws.add(row.line, "issuer", "of no PatientID")
    if row.study_instance_uid and not valid_uid(row.study_instance_uid):
        flaws.add(row.line, "study_instance_uid", "is no UID (PS3.5 §9.1)")


def _lengths(row: Row, flaws: Flaws) -> None:
    for name in ("accession_number", "patient_id", "issuer", "participant", "event"):
        value = getattr(row, name)
        if value and len(value) > LONGEST:
            flaws.add(row.line, name, f"is {len(value) - LONGEST} characters too long")
        elif value and not TEXT.fullmatch(value):
            flaws.add(row.line, name, "holds a backslash or a control character")


def _belongs(row: Row, terms: Terms, flaws: Flaws) -> None:
    if row.project in (None, terms.project.name):
        return
    why = "is another project than the list's" if row.project in terms.projects else "there is no such project"
    flaws.add(row.line, "project", why)
