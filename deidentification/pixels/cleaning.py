"""The pixels of one object made clean: every frame read, what was found and what a rule names filled with black."""

from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Final, Literal, Protocol

from deidentification.dataset.source import Source
from deidentification.dataset.syntaxes import EXPLICIT
from deidentification.errors import CannotDeidentify
from deidentification.pixels import copying, frames, image, regions, suspects, writing
from deidentification.pixels.findings import Box, Cleaned, Findings, FrameFinding
from deidentification.pixels.frames import Samples
from deidentification.pixels.image import PADDING, PADDING_LIMIT, ULTRASOUND_REGIONS
from deidentification.pixels.masking import filled
from deidentification.pixels.planning import Plan
from deidentification.pixels.rendering import Renderer
from deidentification.pixels.stamps import Stamp, outermost, stamped, stands
from deidentification.pixels.thumbnails import png
from deidentification.profiles.model import DeviceMask

# Filling is followed by another look; an object in which so many looks found something is not going to leave.
LOOKS: Final = 4


class Words(Protocol):
    """Who is in the header: as much of text.Person as is needed here."""

    @property
    def words(self) -> frozenset[str]:
        """Words that identify."""


def cleaned(
    source: Source,
    found: copying.Pixels,
    plan: Plan,
    captured: Mapping[int, bytes],
    person: Words | None,
    folder: Path | None = None,
) -> Cleaned:
    """Carry out `plan` on the located pixel data. Raises CannotDeidentify when not every frame could be seen.

    `captured` holds the source's values of WANTED. `folder` is where the unnamed file goes: best the volume of the
    result, so that the kernel copies it.
    """
    if not plan.read and not plan.masks:
        return Cleaned(None, findings=Findings(exempt=plan.exempt))
    if suspects.VIDEO.fullmatch(source.syntax.uid):
        raise CannotDeidentify("text-in-pixels", "video is not decoded", ((image.PIXELS, None),))
    job = _Job(source, found, plan, captured, person.words if person is not None else frozenset(), folder)
    try:
        return job.done()
    except BaseException as problem:
        job.writing.close()
        if isinstance(problem, CannotDeidentify | OSError) or not isinstance(problem, Exception):
            raise
        reason = f"the pixels cannot be worked on ({type(problem).__name__})"
        raise CannotDeidentify("pixel-decode", reason, ((job.tag, None),)) from None


class _Job:
    """One object's frames, in order."""

    def __init__(
        self, source: Source, found: copying.Pixels, plan: Plan, captured: Mapping[int, bytes],
        own: frozenset[str], folder: Path | None,
    ) -> None:  # fmt: skip
        encoding = source.syntax.encoding
        self.source, self.found, self.plan, self.own = source, found, plan, own
        self.tag = int.from_bytes(found.header[:2], _order(source)) << 16 | int.from_bytes(
            found.header[2:4], _order(source)
        )
        self.frames = frames.opened(source, found, self.tag, captured)
        self.shape = self.frames.image
        self.renderer = Renderer(self.shape, captured, encoding)
        self.writing = writing.Writing(source, found, self.frames, folder)
        self.masks = tuple(mask for mask in plan.masks if _sized(mask, self.shape))
        self.padding = _padding(source, self.shape, captured)
        self.always = (*self._masked(), *self._outside(captured))
        self.boxes: dict[bytes, tuple[Box, ...]] = {}
        self.own_boxes: dict[bytes, tuple[Box, ...]] = {}
        self.stamps: list[Stamp] = []
        self.shared: dict[tuple[Box, ...], list[int]] = {}
        self.thumbnails = (b"", b"")
        self.changed = 0

    def done(self) -> Cleaned:
        """Every frame once; then what was made of them."""
        if not self.plan.read and not self.always:
            return Cleaned(None, findings=Findings(exempt=self.plan.exempt))
        if self.plan.read and self.shape.frames > 1:
            self._look_through()
        for index in range(self.shape.frames):
            self._frame(index)
        found = Findings(
            read=self.shape.frames if self.plan.read else 0,
            changed=self.changed,
            frames=tuple(FrameFinding(tuple(numbers), boxes) for boxes, numbers in self.shared.items()),
            masks=tuple(mask.name for mask in self.masks),
            exempt=self.plan.exempt,
            before=self.thumbnails[0],
            after=self.thumbnails[1],
        )
        said: dict[int, tuple[bytes, bytes] | None] = {suspects.BURNED_IN: (b"CS", b"NO")} if self.plan.read else {}
        length = self.writing.ended()
        if self.writing.file is None:
            return Cleaned(None, attributes=said, findings=found)
        native = not self.source.syntax.encapsulated
        return Cleaned(
            file=self.writing.file,
            length=length,
            transfer_syntax_uid=self.source.syntax.uid if native else EXPLICIT.uid,
            vr=_vr(self.tag, self.found, self.source, self.shape.allocated),
            attributes=said | writing.attributes(self.source, self.frames),
            findings=found,
        )

    def _look_through(self) -> None:
        """Read every different frame and remember what stood where, for the frames in which it is overlooked."""
        for index in range(self.shape.frames):
            samples = self.frames.read(index)
            key = _key(samples)
            if key not in self.own_boxes:
                shown = self.renderer.shown(samples)
                self.own_boxes[key] = self._read(samples)[1]
                self.stamps += [stamped(box, shown) for box in self.own_boxes[key]]

    def _with_stamps(self, samples: Samples, own: tuple[Box, ...]) -> tuple[Box, ...]:
        """A frame's boxes, and those of other frames wherever the same seems to stand in this one."""
        shown = self.renderer.shown(samples)
        return (*self.always, *outermost({*own, *(stamp.box for stamp in self.stamps if stands(stamp, shown))}))

    def _frame(self, index: int) -> None:
        samples = self.frames.read(index)
        key = _key(samples)
        before = None if self.thumbnails[1] else self.renderer.shown(samples)
        if key in self.boxes:
            boxes = self.boxes[key]
            changed = filled(samples, boxes, self.renderer, self.padding)
        elif key in self.own_boxes:
            boxes = self.boxes[key] = self._with_stamps(samples, self.own_boxes[key])
            changed = filled(samples, boxes, self.renderer, self.padding)
        elif self.plan.read:
            changed, more = self._read(samples)
            boxes = self.boxes[key] = (*self.always, *more)
        else:
            changed = filled(samples, self.always, self.renderer, self.padding)
            boxes = self.boxes[key] = self.always
        if boxes:
            self.shared.setdefault(boxes, []).append(index + 1)
        self.changed += changed
        if changed and before is not None:
            self.thumbnails = png(before), png(self.renderer.shown(samples))
        self.writing.put(index, samples, changed)

    def _read(self, samples: Samples) -> tuple[bool, tuple[Box, ...]]:
        """Look, fill, look again, until nothing is left to fill: whether anything was, and what was found.

        The first look is at the frame as it came: a line that crosses the edge of a region or of a mask could not be
        read any more when half of it is filled, and yet by a person.
        """
        hidden: list[Box] = []
        for look in range(LOOKS):
            found = self._found(samples)
            changed = not look and filled(samples, self.always, self.renderer, self.padding)
            more = [box for box in found if filled(samples, (box,), self.renderer, self.padding)]
            hidden += more
            if not changed and not more:
                return look > 0, tuple(hidden)
        if self.plan.verified:
            raise CannotDeidentify("pixel-text", "text is still read after it was hidden", ((self.tag, None),))
        return True, tuple(hidden)

    def _found(self, samples: Samples) -> list[Box]:
        # Loading the networks takes a second that objects without a plan never pay.
        from deidentification.pixels.codes import codes
        from deidentification.pixels.reading import reader

        return [
            box
            for picture in self.renderer.pictures(samples)
            for box in (*reader().lines(picture, self.own), *codes(picture))
        ]

    def _masked(self) -> tuple[Box, ...]:
        return tuple(
            Box(each.x, each.y, each.width, each.height, 1.0, "mask") for mask in self.masks for each in mask.masks
        )

    def _outside(self, captured: Mapping[int, bytes]) -> tuple[Box, ...]:
        value = captured.get(ULTRASOUND_REGIONS, b"")
        if not self.plan.read or not value:
            return ()
        within = regions.inside(value, self.source.syntax.encoding, self.shape.rows, self.shape.columns)
        return () if within is None else regions.outside(within)


def _key(samples: Samples) -> bytes:
    return blake2b(samples.tobytes(), digest_size=16).digest()


def _order(source: Source) -> Literal["little", "big"]:
    return "little" if source.syntax.encoding.little else "big"


def _sized(mask: DeviceMask, shape: image.Image) -> bool:
    return mask.rows in (None, shape.rows) and mask.columns in (None, shape.columns)


def _padding(source: Source, shape: image.Image, captured: Mapping[int, bytes]) -> tuple[int, int] | None:
    """The lowest and the highest value that stands for what was never imaged."""
    values = [
        int.from_bytes(captured[tag][:2], _order(source), signed=shape.signed)
        for tag in (PADDING, PADDING_LIMIT)
        if len(captured.get(tag, b"")) >= 2
    ]
    return (min(values), max(values)) if values else None


def _vr(tag: int, found: copying.Pixels, source: Source, allocated: int) -> bytes:
    """The source's own, as bytes in big endian words are in another order than bytes; else that of PS3.5 8.2."""
    if not source.syntax.encapsulated and not source.syntax.encoding.implicit:
        return found.header[4:6]
    return {image.FLOAT: b"OF", image.DOUBLE: b"OD"}.get(tag, b"OW" if allocated > 8 else b"OB")
