"""Which images are likely to have text in their pixels: literal tables, reviewed."""

import re
from collections.abc import Mapping
from typing import Final

from deidentification.selectors import CHARACTER_SET, IMAGE_TYPE, MODALITY, SERIES_DESCRIPTION, SOP_CLASS, text

BURNED_IN, VISUAL_FEATURES, CONVERSION, SPECIMEN_LABEL = 0x00280301, 0x00280302, 0x00080064, 0x00480010
WANTED: Final = frozenset(
    (
        *(SOP_CLASS, CHARACTER_SET, MODALITY, IMAGE_TYPE, SERIES_DESCRIPTION),
        *(BURNED_IN, VISUAL_FEATURES, CONVERSION, SPECIMEN_LABEL),
    )
)
STORAGE: Final = "1.2.840.10008.5.1.4.1.1."
# A UID, or its beginning when it ends with a dot.
SOP_CLASSES: Final = (
    STORAGE + "7",  # Secondary Capture
    STORAGE + "7.",  # Multi-frame Secondary Capture, 1 bit, 8 bits, 16 bits, true colour
    STORAGE + "3",  # Ultrasound Multi-frame (retired)
    STORAGE + "3.",  # Ultrasound Multi-frame
    STORAGE + "6",  # Ultrasound (retired)
    STORAGE + "6.",  # Ultrasound, Enhanced US Volume, Photoacoustic
    STORAGE + "77.1.1",  # VL Endoscopic
    STORAGE + "77.1.1.",  # Video Endoscopic
    STORAGE + "77.1.2.1",  # Video Microscopic
    STORAGE + "77.1.4.1",  # Video Photographic
    "1.2.840.10008.5.1.1.29",  # Hardcopy Grayscale (retired): what was printed
    "1.2.840.10008.5.1.1.30",  # Hardcopy Color (retired)
)
# Whatever class their objects have.
MODALITIES: Final = frozenset(("US", "IVUS", "ES", "HC", "SC"))
IMAGE_TYPES: Final = re.compile(
    r"SCREEN|CAPTURE|\bDOSE(?!_MAP)|\bPROT(OCOL)?\b|\bREPORT|\bRPT\b|\bPATIENT[ _]INFO", re.IGNORECASE
)
SERIES: Final = re.compile(
    r"dose[ _-]*(report|info|record|summary|sheet|screen|page|data)|(exposure|radiation)[ _-]*(report|dose|record)"
    r"|(patient|exam|examination|scan|dose)[ _-]*protocol|^[ _]*protocol[ _]*$"
    r"|screen[ _-]*(save|shot|capture|dump|copy)|scanner[ _-]*screen|secondary[ _-]*capture|\breport\b",
    re.IGNORECASE,
)
# Compressed video: no frame is decoded, and nobody looks at what else stands in the stream.
VIDEO: Final = re.compile(r"1\.2\.840\.10008\.1\.2\.4\.10[0-9](\.1)?")


def why(captured: Mapping[int, bytes], transfer_syntax: str = "") -> tuple[str, int] | None:
    """The rule and the tag that make the image suspect; None: nothing does. BurnedInAnnotation NO is not believed."""
    if text(captured, BURNED_IN).upper() == "YES":
        return "burned-in", BURNED_IN
    if _listed(text(captured, SOP_CLASS)) or VIDEO.fullmatch(transfer_syntax):
        return "text-in-pixels", SOP_CLASS
    if text(captured, MODALITY).upper() in MODALITIES:
        return "text-in-pixels", MODALITY
    if text(captured, CONVERSION):
        return "text-in-pixels", CONVERSION
    # The first two values say ORIGINAL or DERIVED, PRIMARY or SECONDARY.
    if any(IMAGE_TYPES.search(value) for value in text(captured, IMAGE_TYPE).split("\\")):
        return "text-in-pixels", IMAGE_TYPE
    if SERIES.search(text(captured, SERIES_DESCRIPTION)):
        return "text-in-pixels", SERIES_DESCRIPTION
    return None


def refused(captured: Mapping[int, bytes]) -> int | None:
    """The tag that says what no method here removes: a face that can be recognised, a label on a slide."""
    tags = (VISUAL_FEATURES, SPECIMEN_LABEL)
    return next((tag for tag in tags if text(captured, tag).upper() == "YES"), None)


def _listed(sop_class: str) -> bool:
    return any(sop_class.startswith(each) if each.endswith(".") else sop_class == each for each in SOP_CLASSES)
