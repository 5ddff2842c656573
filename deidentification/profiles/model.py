"""What a data manager writes: a profile as a declaration, checked when it is read.

A profile names a base, options of PS3.15 E.3 and what the project wants differently: attributes, private elements,
series that are left out, how pixels and documents are treated. Everything here is frozen, hashable and picklable;
what it means for one attribute is decided by `profiles.compiled`.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from deidentification.standard.tables import Option


class Part(BaseModel):
    """A part of a profile: unknown words are errors, nothing changes after it was read."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Keep(Part):
    """K: the value stays as it is (its shape is still checked, and the gate still looks)."""

    action: Literal["keep"] = "keep"


class Remove(Part):
    """X: the attribute goes."""

    action: Literal["remove"] = "remove"


class Empty(Part):
    """Z: the attribute stays without a value."""

    action: Literal["empty"] = "empty"


class Clean(Part):
    """C: text loses what may identify; dates move."""

    action: Literal["clean"] = "clean"


class Replace(Part):
    """D: a literal or a template of {project}, {participant}, {event}."""

    action: Literal["replace"] = "replace"
    value: str = Field(max_length=1024)


class Hash(Part):
    """A keyed hash (hex, shortened to what the VR allows): the same value gives the same hash in the project.

    `of` is the top-level attribute whose value is hashed; None: the attribute's own.
    """

    action: Literal["hash"] = "hash"
    of: int | None = None


class Groups(Part):
    """The captured groups of a regular expression, joined with a space; empty when it does not match."""

    action: Literal["regex"] = "regex"
    pattern: str = Field(max_length=500)


Action = Annotated[Keep | Remove | Empty | Clean | Replace | Hash | Groups, Field(discriminator="action")]


class Override(Part):
    """One attribute of the project's own: at every depth, or at the top level only."""

    tag: int = Field(ge=0, le=0xFFFFFFFF, description="written as keyword, (gggg,eeee) or gggg,eeee")
    action: Action
    nested: bool = True


class PrivateElement(Part):
    """A private element that is kept, by creator and not by block; `element` None: all of the creator's in `group`."""

    creator: str = Field(min_length=1, max_length=64)
    group: int
    element: int | None = Field(default=None, ge=0, le=0xFF)
    vr: str | None = Field(default=None, description="what a reader takes it for when the file says UN")


class Selector(Part):
    """Which instances are meant: every condition that is given has to hold; expressions are searched for, no case."""

    modality: str | None = None
    sop_class: str | None = Field(default=None, description="a UID, or its beginning when it ends with a dot")
    series_description: str | None = None
    image_comments: str | None = None
    image_type: str | None = Field(default=None, description="a value among those of ImageType")
    attribute: int | None = Field(default=None, description="any top-level attribute, together with `matches`")
    matches: str | None = None


class Mask(Part):
    """A rectangle in pixels of every frame that is filled: columns [x, x+width), rows [y, y+height)."""

    x: int = Field(ge=0)
    y: int = Field(ge=0)
    width: int = Field(gt=0)
    height: int = Field(gt=0)


class DeviceMask(Part):
    """Rectangles for the images of one device, told by the values of its header."""

    name: str
    where: dict[str, str] = Field(description="keyword -> regular expression that the whole value has to fit")
    rows: int | None = None
    columns: int | None = None
    masks: tuple[Mask, ...]

    def __hash__(self) -> int:
        return hash((self.name, self.rows, self.columns, self.masks, tuple(sorted(self.where.items()))))


class Pixels(Part):
    """Burned-in text: which images are read, and what is never read.

    `images`: "suspect" reads secondary captures, ultrasound, screen saves and what says BurnedInAnnotation YES; "all"
    reads every image; "none" cleans nothing, and suspects are quarantined unless `suspects_pass`.
    """

    images: Literal["none", "suspect", "all"] = "none"
    also: tuple[Selector, ...] = Field(default=(), description="read these, too")
    exempt: tuple[Selector, ...] = Field(default=(), description="never read these: the project answers for it")
    suspects_pass: bool = Field(default=False, description="let suspect images pass unread: the project answers for it")
    masks: tuple[DeviceMask, ...] = ()


class Documents(Part):
    """Encapsulated documents: leave out, replace by a dummy, or hold in quarantine until a reviewer releases one."""

    pdf: Literal["drop", "dummy", "hold"] = "hold"
    cda: Literal["drop", "dummy", "hold"] = "hold"
    model: Literal["drop", "dummy", "hold"] = Field(default="hold", description="STL, OBJ, MTL")


class Dates(Part):
    """How far dates move: the participant's own number of days, or the same fixed one for everybody."""

    shift: Literal["participant", "fixed"] = "participant"
    days: int = Field(default=-42, ge=-36500, le=36500, description="with `fixed`: negative is into the past")


class Profile(Part):
    """A whole profile, its base already worked in."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.\-]{0,39}$")
    version: str = Field(default="1", pattern=r"^[A-Za-z0-9][A-Za-z0-9_.\-]{0,15}$")
    description: str = ""
    options: frozenset[Option] = frozenset()
    attributes: tuple[Override, ...] = ()
    private: tuple[PrivateElement, ...] = ()
    drop: tuple[Selector, ...] = Field(default=(), description="left out: counted, neither sent nor quarantined")
    only: tuple[Selector, ...] = Field(default=(), description="when there are any, what fits none is left out")
    pixels: Pixels = Pixels()
    documents: Documents = Documents()
    dates: Dates = Dates()
    uids: Literal["keyed", "original"] = "keyed"
