"""Which objects may pass at all: what cannot be named stays, what the profile leaves out is left out."""

from collections.abc import Mapping
from typing import Final

from deidentification import selectors
from deidentification.content import documents
from deidentification.dataset import uids
from deidentification.errors import CannotDeidentify, LeftOut
from deidentification.gate import identity
from deidentification.profiles.model import Profile
from deidentification.standard.reviewed import OVERLAY_BITS_ALLOCATED

SLIDE: Final = b"1.2.840.10008.5.1.4.1.1.77.1.6"
SLIDE_LABELS: Final = frozenset((b"LABEL", b"OVERVIEW"))


def named(captured: Mapping[int, bytes]) -> None:
    """Refuse an object that has no valid UIDs of its own."""
    for tag in (identity.STUDY, identity.SERIES, identity.INSTANCE):
        uid = captured.get(tag, b"").strip(uids.PADDING)
        if not uids.is_valid(uid) or uid in uids.STANDARD:
            raise CannotDeidentify("identity", "a UID that the object needs is missing or invalid", ((tag, None),))


def admitted(captured: Mapping[int, bytes], profile: Profile, treatment: documents.Treatment) -> bytes:
    """The SOP Class UID of an object that may pass.

    Raises CannotDeidentify for what is of no known kind or is a document that is held, LeftOut for what the profile's
    selectors leave out and for the label and the overview of a slide.
    """
    sop_class = captured.get(identity.SOP_CLASS, b"").strip(uids.PADDING)
    if not uids.is_class(sop_class):
        raise CannotDeidentify(
            "sop-class", "the SOP class is missing or not a known one", ((identity.SOP_CLASS, None),)
        )
    if any(selectors.matches(selector, captured) for selector in profile.drop):
        raise LeftOut("drop", "the profile leaves out instances of this kind")
    if profile.only and not any(selectors.matches(selector, captured) for selector in profile.only):
        raise LeftOut("only", "the profile takes other kinds of instances only")
    if treatment == documents.HELD and (sop_class.startswith(documents.ROOT) or documents.DOCUMENT in captured):
        raise CannotDeidentify(documents.RULE, "an encapsulated document is not cleaned", ((identity.SOP_CLASS, None),))
    for tag in OVERLAY_BITS_ALLOCATED & captured.keys():
        raise CannotDeidentify("overlay-in-pixels", "an overlay stands in the pixel data", ((tag, None),))
    kinds = {kind.strip(b"\0 ").upper() for kind in captured.get(identity.IMAGE_TYPE, b"").split(b"\\")}
    if sop_class == SLIDE and kinds & SLIDE_LABELS:
        raise LeftOut("slide-label", "an image of a slide's label or of the slide with its label")
    return sop_class
