"""Transfer syntaxes: how each encodes the dataset and its pixels, and which ones are refused."""

from typing import Final, NamedTuple

from pydicom._uid_dict import UID_dictionary

from deidentification.dataset.encoding import EXPLICIT_BE, EXPLICIT_LE, IMPLICIT_LE, Encoding


class Syntax(NamedTuple):
    """One transfer syntax; `codec` is the family of compressed frames that may carry text."""

    uid: str
    encoding: Encoding
    encapsulated: bool = False
    deflated: bool = False
    codec: str = ""


_ROOT = "1.2.840.10008.1.2"
NATIVE: Final = (
    Syntax(_ROOT, IMPLICIT_LE),
    Syntax(f"{_ROOT}.1", EXPLICIT_LE),
    Syntax(f"{_ROOT}.2", EXPLICIT_BE),
    Syntax(f"{_ROOT}.1.99", EXPLICIT_LE, deflated=True),
)
# Pixels behind a URL, real-time video, MIME and XML wrappers, Papyrus: no file of this engine's kind.
REFUSED: Final = (f"{_ROOT}.4.94", f"{_ROOT}.4.95", f"{_ROOT}.4.204", f"{_ROOT}.4.205", f"{_ROOT}.6.", f"{_ROOT}.7.")
PAPYRUS: Final = "1.2.840.10008.1.20"


def _codec(number: int) -> str:
    """The last but first component after 1.2.840.10008.1.2.4 tells the family."""
    if 50 <= number <= 81:
        return "jpeg"
    return "j2k" if number in (90, 91, 92, 93, 201, 202, 203) else "jxl" if number in (110, 111, 112) else ""


def _encapsulated(uid: str) -> Syntax:
    number = int(uid.split(".")[7]) if uid.startswith(f"{_ROOT}.4.") else 0
    return Syntax(uid, EXPLICIT_LE, encapsulated=True, codec=_codec(number))


JPEG_XL: Final = tuple(f"{_ROOT}.4.{number}" for number in (110, 111, 112))
DEFLATED_FRAMES: Final = f"{_ROOT}.8.1"
SYNTAXES: Final[dict[str, Syntax]] = {
    **{
        uid: _encapsulated(uid)
        for uid in (
            *(str(uid) for uid, entry in UID_dictionary.items() if entry[1] == "Transfer Syntax" and uid != PAPYRUS),
            *JPEG_XL,
            DEFLATED_FRAMES,
        )
        if not uid.startswith(REFUSED)
    },
    **{syntax.uid: syntax for syntax in NATIVE},
}
EXPLICIT: Final = SYNTAXES[f"{_ROOT}.1"]
BY_ENCODING: Final = {syntax.encoding: syntax for syntax in NATIVE if not syntax.deflated}
