"""One subject under one profile: what is worked out once for many objects, and the way of one object through it."""

from dataclasses import dataclass
from typing import Final, NamedTuple

from deidentification.admission import admitted, named
from deidentification.content import documents, scopes
from deidentification.dataset.carriers import COMPANIONS, companions
from deidentification.dataset.context import NOBODY, Context, Path
from deidentification.dataset.encoding import Encoding
from deidentification.dataset.memory import Element, Piece
from deidentification.dataset.pseudonyms import NONE
from deidentification.dataset.reader import Buffer
from deidentification.dataset.rewrite import Walk
from deidentification.dataset.source import FIRST_READ, Source
from deidentification.errors import CannotDeidentify, NeedMore
from deidentification.gate import identity
from deidentification.gate.identity import CHARACTER_SET, IDENTIFYING, SOP_CLASS, Kind
from deidentification.pixels import Plan, planned
from deidentification.pixels import wanted as wanted_of_pixels
from deidentification.profiles.model import Profile
from deidentification.selectors import wanted
from deidentification.subject import Subject
from deidentification.text import Person, person_of

CONTEXTS: Final = 16
DECISIONS: Final = 256
REPEATS: Final = 8
_UIDS: Final = frozenset(tag for tag, kind in IDENTIFYING.items() if kind is Kind.UID)


@dataclass(frozen=True, slots=True)
class Walked:
    """A header under its rules: the context it was walked in, what it left, and the elements to write."""

    walk: Walk
    context: Context
    elements: tuple[Element, ...]
    chunks: list[Element]


class Decision(NamedTuple):
    """An object that may pass: its SOP class, and the plan for its pixels."""

    sop_class: bytes
    plan: Plan | None
    context: Context


class Job:
    """Contexts by what they depend on, and the person that was met last, so that a series is walked once per file."""

    def __init__(self, subject: Subject, profile: Profile, pseudonyms: frozenset[bytes] = NONE) -> None:
        self.subject = subject
        self.profile = profile
        self.pseudonyms = pseudonyms
        self.captured = identity.CAPTURED | wanted_of_pixels(profile.pixels) | wanted((*profile.drop, *profile.only))
        self._telling = tuple(sorted(self.captured.difference((identity.STUDY, identity.SERIES, identity.INSTANCE))))
        self._decisions: dict[object, Decision] = {}
        self._contexts: dict[object, Context] = {}
        self._people: dict[object, Person] = {}
        self._met: tuple[frozenset[tuple[int, bytes]], bytes, Person] = (frozenset(), b"", NOBODY)

    def walked(self, source: Source, released: frozenset[str]) -> Walked:
        """The header of one object, walked.

        What a walk depends on (SOP class, character set, the person, the content items that go) is known for certain
        only after it: it begins with what the object before had, and is repeated when that was wrong.
        """
        encoding, buffer = source.syntax.encoding, source.header()
        sop_class, charset = _peeked(buffer, encoding)
        person: Person | None = None
        removed: frozenset[Path] = frozenset()
        for _ in range(REPEATS):
            guess = self._people.get((sop_class, charset), NOBODY) if person is None else person
            context = self._context(sop_class, charset, encoding, guess, released, removed)
            walk, pieces, buffer = self._walk(source, buffer, context)
            effects = walk.effects
            found_class = effects.captured.get(SOP_CLASS, b"").strip(b"\0 ")
            found_charset = effects.captured.get(CHARACTER_SET, b"").strip(b"\0 ")
            person = self._person(effects.identifying, found_charset)
            gone = frozenset(effects.removed) if effects.references else removed
            if (found_class, found_charset, person, gone) == (sop_class, charset, guess, removed):
                self._people[sop_class, charset] = person
                return Walked(walk, context, *_assembled(context, pieces))
            sop_class, charset, removed = found_class, found_charset, gone
        raise CannotDeidentify("structure", "content items refer to one another without end")

    def decided(self, walked: Walked, source: Source, released: frozenset[str]) -> Decision:
        """Whether the object may pass and what happens to its pixels; the same for the same values of a series."""
        captured, context = walked.walk.effects.captured, walked.context
        named(captured)
        values = tuple([captured.get(tag) for tag in self._telling])
        key = (values, walked.walk.pixels is None, source.syntax.uid, released, id(context))
        decision = self._decisions.get(key)
        if decision is None:
            sop_class = admitted(captured, self.profile, context.treatment)
            plan = None
            if walked.walk.pixels is not None:
                plan = planned(captured, self.profile.pixels, released, source.syntax.uid)
            if len(self._decisions) >= DECISIONS:
                self._decisions.clear()
            decision = self._decisions[key] = Decision(sop_class, plan, context)
        return decision

    def _walk(self, source: Source, buffer: Buffer, context: Context) -> tuple[Walk, list[Piece], Buffer]:
        """Walk the header, reading more of it when it turns out longer than what was read."""
        while True:
            walk = Walk(buffer, context, self.captured)
            try:
                return walk, walk.top(), buffer
            except NeedMore as short:
                buffer = source.header(max(short.size + FIRST_READ, buffer.loaded * 4, 8 * FIRST_READ))

    def _context(
        self, sop_class: bytes, charset: bytes, encoding: Encoding, person: Person, released: frozenset[str],
        removed: frozenset[Path],
    ) -> Context:  # fmt: skip
        key = (sop_class, charset, encoding, person, released, removed)
        context = self._contexts.get(key)
        if context is None:
            if len(self._contexts) >= CONTEXTS:
                self._contexts.clear()
            treatment = documents.HELD
            if sop_class.startswith(documents.ROOT):
                treatment = documents.treatment(sop_class, self.profile.documents, released)
            context = self._contexts[key] = Context(
                self.subject, *scopes.applied(self.profile, sop_class), treatment, encoding, charset, released, person,
                removed, self.pseudonyms,
            )  # fmt: skip
        return context

    def _person(self, identifying: set[tuple[int, bytes]], charset: bytes) -> Person:
        names = frozenset([pair for pair in identifying if pair[0] not in _UIDS])
        met, met_charset, person = self._met
        if names != met or charset != met_charset:
            person = person_of(sorted(names), charset)
            self._met = (names, charset, person)
        return person


def _peeked(buffer: Buffer, encoding: Encoding) -> tuple[bytes, bytes]:
    """SOP class and character set as the first elements say; a walk finds out whether that was right."""
    found: dict[int, bytes] = {}
    at, tag = 0, 0
    try:
        while tag < SOP_CLASS:
            tag, _, value, length = buffer.header(at, buffer.loaded, encoding)
            at = value + length
            if tag in (SOP_CLASS, CHARACTER_SET):
                found[tag] = buffer.data[value:at].strip(b"\0 ")
    except (CannotDeidentify, NeedMore):
        return b"", b""
    return found.get(SOP_CLASS, b""), found.get(CHARACTER_SET, b"")


def _assembled(context: Context, pieces: list[Piece]) -> tuple[tuple[Element, ...], list[Element]]:
    """Every element to write, and the same joined where nothing comes between; both in tag order."""
    elements = [element for piece in pieces for element in piece.elements]
    chunks = [chunk for piece in pieces for chunk in piece.chunks]
    previous = -1
    for piece in pieces:
        if piece.first <= previous or context.keeps_private:
            elements = chunks = sorted(dict(elements).items())
            break
        previous = piece.last
    present = {tag for tag, _ in chunks}
    empty = companions(context.encoding)
    more = [*context.inserted.items(), *((tag, empty[tag]) for tag in COMPANIONS if tag not in present)]
    return tuple(sorted(elements + more)), sorted(chunks + more)
