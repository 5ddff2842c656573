"""One file in, one de-identified file out, or a refusal with its reason."""

import os
import struct
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import BinaryIO, Final

from deidentification import pixels
from deidentification.committing import WAITING, Committer, Held, commit
from deidentification.content import documents, terms
from deidentification.dataset import uids
from deidentification.dataset.encoding import EXPLICIT_LE, Encoding, element
from deidentification.dataset.filemeta import file_meta
from deidentification.dataset.memory import Element
from deidentification.dataset.replace import keyed_hash
from deidentification.dataset.source import Source, opened
from deidentification.dataset.syntaxes import SYNTAXES
from deidentification.errors import CannotDeidentify, LeftOut
from deidentification.gate import gate, identity
from deidentification.job import Job, Walked
from deidentification.pixels import copying
from deidentification.pixels.findings import Findings
from deidentification.profiles.model import Profile
from deidentification.subject import Subject
from deidentification.writing import write

NOTHING: Final[frozenset[str]] = frozenset()
UIDS: Final = (identity.STUDY, identity.SERIES, identity.INSTANCE)
ODD: Final = (struct.error, ValueError, IndexError, KeyError, OverflowError, RecursionError)


@dataclass(frozen=True)
class Deidentified:
    """What was written: the new identity, where, how large, and how often each action code was applied.

    `elements` are all (tag, encoded element) as written in `encoding`, without pixel data; `findings` what was found
    in the pixels, None where nobody looked; `given` are the pseudonyms in it that derived objects will repeat, beside
    the UIDs of study, series and instance.
    """

    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    modality: str
    path: PurePath
    size: int
    actions: dict[str, int] = field(compare=False)
    elements: tuple[Element, ...] = field(default=(), compare=False, repr=False)
    encoding: Encoding = field(default=EXPLICIT_LE, compare=False, repr=False)
    findings: Findings | None = field(default=None, compare=False, repr=False)
    given: frozenset[bytes] = field(default=frozenset(), compare=False, repr=False)


@dataclass(frozen=True)
class Names:
    """What a layout may build a path from: nothing of the source but its modality."""

    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    modality: str


Layout = Callable[[Names], PurePath]
Outcome = Deidentified | CannotDeidentify | LeftOut


def by_series(names: Names) -> PurePath:
    """`<SeriesInstanceUID>/<Modality>.<SOPInstanceUID>.dcm`."""
    return PurePath(names.series_instance_uid, f"{names.modality}.{names.sop_instance_uid}.dcm")


def deidentify(
    source: Path,
    root: Path,
    subject: Subject,
    profile: Profile,
    layout: Layout = by_series,
    released: frozenset[str] = NOTHING,
) -> Deidentified:
    """De-identify the file `source` into `root` at the path that `layout` gives.

    The result has its name only when it is whole, verified and on disk; an older one of that name is replaced.
    `released` are rules (of errors.RELEASABLE) that a reviewer has waived for this instance. Raises CannotDeidentify
    when the source stays, LeftOut when the profile leaves it out, OSError when a file cannot be read or written.
    """
    held = hold(Job(subject, profile), source, root, layout, released)
    commit([held])
    return held.outcome()


def deidentify_all(
    sources: Iterable[Path],
    root: Path,
    subject: Subject,
    profile: Profile,
    layout: Layout = by_series,
    released: Mapping[Path, frozenset[str]] = {},
    pseudonyms: frozenset[str] = frozenset(),
) -> Iterator[Outcome]:
    """`deidentify` for many files, one outcome each in their order; the disk syncs some while the next are made.

    What files have in common is worked out once. An outcome is given only after its commit. `pseudonyms` are UIDs, days
    and hashes that an earlier result gave the subject: in what was derived from it they stay. Raises OSError when a
    file cannot be read or written; what was made until then is on disk.
    """
    job = Job(subject, profile, frozenset(value.encode() for value in pseudonyms))
    pending: deque[Held[Deidentified] | CannotDeidentify | LeftOut] = deque()
    with Committer[Deidentified]() as committer:
        for source in sources:
            try:
                held = hold(job, source, root, layout, released.get(source, NOTHING))
            except (CannotDeidentify, LeftOut) as refusal:
                pending.append(refusal)
            else:
                committer.take(held)
                pending.append(held)
            while len(pending) > WAITING:
                yield _settled(committer, pending.popleft())
        while pending:
            yield _settled(committer, pending.popleft())


def _settled(committer: Committer[Deidentified], outcome: Held[Deidentified] | CannotDeidentify | LeftOut) -> Outcome:
    return committer.wait(outcome) if isinstance(outcome, Held) else outcome


def hold(job: Job, source: Path, root: Path, layout: Layout, released: frozenset[str]) -> Held[Deidentified]:
    """Everything of `deidentify` but the commit, which the caller owes."""
    try:
        with opened(source, root) as file:
            return _held(job, file, root, layout, released)
    except ODD as problem:
        raise CannotDeidentify("malformed", f"the dataset cannot be walked ({type(problem).__name__})") from None


def _held(job: Job, source: Source, root: Path, layout: Layout, released: frozenset[str]) -> Held[Deidentified]:
    walked = job.walked(source, released)
    walk, context = walked.walk, walked.context
    captured = walk.effects.captured
    sop_class, plan, _ = job.decided(walked, source, released)
    new = {tag: _new_uid(walked, captured[tag]) for tag in UIDS}
    image = _image(source, walked, plan, root)
    elements: Sequence[Element] = walked.elements
    chunks: Sequence[Element] = walked.chunks
    hashes = _hashes(walked)
    if attributes := {**hashes, **image.attributes}:
        elements = chunks = _with(elements, attributes, source.syntax.encoding)
    study, series, instance = (uid.decode() for uid in new.values())
    names = Names(study, series, instance, terms.modality(captured.get(identity.MODALITY, b"")).decode())
    syntax = image.source.syntax.uid
    meta = file_meta(sop_class, new[identity.INSTANCE], syntax)
    header = b"".join([meta, *[chunk for _, chunk in chunks]])
    wanted = gate.needles(
        walk.effects.identifying,
        (*context.values.values(), *new.values(), job.profile.name.encode(), *sorted(_stayed(walked))),
        walk.effects.dates,
        context.character_set,
        context.profile.kept_identifying,
    )
    relative = layout(names)
    final = os.path.join(root, relative)
    expected = {**context.values, **new}
    document = dict(elements).get(documents.DOCUMENT, b"") if context.treatment.passes else b""
    # Zeros only for its value: the gate has to find its way past the element.
    silent = document[: 8 if source.syntax.encoding.implicit else 12].ljust(len(document), b"\0")

    def verify(written: bytes) -> None:
        looked_at = written.replace(document, silent) if document else written
        gate.verify(looked_at, len(meta), source.syntax.encoding, expected, wanted, released)

    with image:
        fd, temporary, size = write(final, header, image.found, image.source, verify)
    result = Deidentified(
        study, series, instance, sop_class.decode(), syntax, names.modality, relative, size, walk.effects.counts,
        tuple(elements), source.syntax.encoding, image.findings,
        frozenset((*walk.effects.given, *(value for _, value in hashes.values()))),
    )  # fmt: skip
    return Held(result, fd, temporary, final, size)


@dataclass
class _Image:
    """The pixels to write: where they are, what the header has to say of them, what was found."""

    source: Source
    found: copying.Pixels | None = None
    attributes: Mapping[int, tuple[bytes, bytes] | None] = field(default_factory=dict)
    findings: Findings | None = None
    file: BinaryIO | None = None

    def __enter__(self) -> None:
        """The file of new pixels is open until they are written."""

    def __exit__(self, *_: object) -> None:
        if self.file is not None:
            self.file.close()


def _image(source: Source, walked: Walked, plan: pixels.Plan | None, folder: Path) -> _Image:
    """The source's own pixels, or new ones where something was hidden."""
    walk = walked.walk
    if walk.pixels is None:
        return _Image(source)
    captured = walk.effects.captured
    found = copying.located(source, walk.pixels, captured)
    if plan is None:
        return _Image(source, found)
    cleaned = pixels.cleaned(source, found, plan, captured, walked.context.person, folder)
    if cleaned.file is None:
        return _Image(source, found, cleaned.attributes, cleaned.findings)
    syntax = SYNTAXES[cleaned.transfer_syntax_uid]
    header = element(walk.pixels[0], cleaned.vr, b"", syntax.encoding, cleaned.length)
    new = Source(cleaned.file.fileno(), 0, cleaned.length, syntax)
    if syntax.encoding != source.syntax.encoding:
        cleaned.file.close()
        raise CannotDeidentify("pixel-encapsulation", "the cleaned pixels do not fit the header's encoding")
    found = copying.Pixels(header, 0, cleaned.length, ())
    return _Image(new, found, cleaned.attributes, cleaned.findings, cleaned.file)


def _hashes(walked: Walked) -> dict[int, tuple[bytes, bytes]]:
    """Attributes that become the hash of another one at the top level, known only now; one that stayed is one."""
    context, captured = walked.context, walked.walk.effects.captured
    stayed = {tag for tag, _ in context.hashes if context.pseudonyms and _has_value(walked, tag)}
    return {
        tag: (rule.vrs[0], keyed_hash(context.subject.key, rule.vrs[0], captured[source]))
        for tag, rule in context.hashes
        if isinstance(source := rule.argument, int) and source in captured and tag not in stayed
    }


def _has_value(walked: Walked, tag: int) -> bool:
    """Whether a text attribute was written with a value: the end of an element without one is its length of zero."""
    chunk = dict(walked.elements).get(tag, b"")
    return len(chunk) > len(element(tag, b"LO", b"", walked.context.encoding))


def _stayed(walked: Walked) -> Set[bytes]:
    """Values of the source that stand in the result because they are pseudonyms already."""
    if not (known := walked.context.pseudonyms):
        return set()
    values = (value for _, value in walked.walk.effects.identifying)
    return known & {part.strip(uids.PADDING) for value in values for part in value.split(b"\\")}


def _with(
    elements: Sequence[Element], attributes: Mapping[int, tuple[bytes, bytes] | None], encoding: Encoding
) -> list[Element]:
    """The elements with others written or removed; in tag order."""
    written = dict(elements)
    for tag, value in attributes.items():
        if value is None:
            written.pop(tag, None)
        else:
            written[tag] = element(tag, *value, encoding)
    return sorted(written.items())


def _new_uid(walked: Walked, old: bytes) -> bytes:
    stripped = old.strip(uids.PADDING)
    return stripped if walked.context.profile.keeps_uids else walked.context.new_uid(stripped)
