"""Which objects may pass at all: what the engine can neither clean nor name stays here."""

from typing import Final

from deidentification.dataset import uids
from deidentification.errors import CannotDeidentify
from deidentification.gate import identity

# PDF, CDA, STL, OBJ, MTL and any later encapsulated document.
DOCUMENTS: Final = b"1.2.840.10008.5.1.4.1.1.104."
SLIDE: Final = b"1.2.840.10008.5.1.4.1.1.77.1.6"
SLIDE_LABELS: Final = frozenset((b"LABEL", b"OVERVIEW"))
STORAGE: Final = b"1.2.840.10008.5.1.4.1.1."
# Secondary captures and ultrasound: names in the picture are the rule there, and no pixel is looked at.
TEXT_IN_PIXELS: Final = tuple(
    STORAGE + kind for kind in (b"7", b"7.1", b"7.2", b"7.3", b"7.4", b"3", b"3.1", b"6", b"6.1", b"6.2")
)
SCREEN_SAVES: Final = frozenset((b"SCREEN SAVE", b"SCREENSAVE"))


def admitted(captured: dict[int, bytes]) -> bytes:
    """The SOP Class UID of an object that may pass; what cannot be cleaned or named is refused."""
    for tag in (identity.STUDY, identity.SERIES, identity.INSTANCE):
        uid = captured.get(tag, b"").strip(uids.PADDING)
        if not uids.is_valid(uid) or uid in uids.STANDARD:
            raise CannotDeidentify("identity", "a UID that the object needs is missing or invalid", ((tag, None),))
    sop_class = captured.get(identity.SOP_CLASS, b"").strip(uids.PADDING)
    if not uids.is_class(sop_class):
        raise CannotDeidentify(
            "sop-class", "the SOP class is missing or not a known one", ((identity.SOP_CLASS, None),)
        )
    if sop_class.startswith(DOCUMENTS):
        raise CannotDeidentify(
            "encapsulated-document", "an encapsulated document is not cleaned", ((identity.SOP_CLASS, None),)
        )
    kinds = {kind.strip(b"\0 ").upper() for kind in captured.get(identity.IMAGE_TYPE, b"").split(b"\\")}
    if sop_class == SLIDE and kinds & SLIDE_LABELS:
        raise CannotDeidentify("slide-label", "a slide's label may be in the image", ((identity.IMAGE_TYPE, None),))
    if sop_class in TEXT_IN_PIXELS:
        raise CannotDeidentify(
            "text-in-pixels",
            "images of this kind carry text, and pixels are not cleaned",
            ((identity.SOP_CLASS, None),),
        )
    if kinds & SCREEN_SAVES:
        raise CannotDeidentify(
            "text-in-pixels", "a screen save carries text, and pixels are not cleaned", ((identity.IMAGE_TYPE, None),)
        )
    return sop_class
