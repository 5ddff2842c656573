"""Defined terms that a value is checked against: modalities and character sets."""

import re
from typing import Final

from pydicom.charset import python_encoding

# PS3.3 C.7.3.1.1.1, those in use and the retired ones.
MODALITIES: Final = frozenset(
    b"""ANN AR ASMT AU BDUS BI BMD CFM CR CT CTPROTOCOL DG DMS DOC DX ECG EEG EMG EOG EPS ES FID GM HC HD IO IOL
    IVOCT IVUS KER KO LEN LS M3D MG MR NM OAM OCT OP OPM OPT OPTBSV OPTENF OPV OSS OT PA PLAN POS PR PT PX REG RESP RF
    RG RTDOSE RTIMAGE RTINTENT RTPLAN RTRAD RTRECORD RTSEGANN RTSTRUCT RWV SEG SM SMR SR SRF STAIN TEXTUREMAP TG US VA
    XA XAPROTOCOL XC AS CD CF CP CS DD DF DM DS EC FA FS HSG LP MA MS OPR PDF ST STUDY VF""".split()
)
OTHER: Final = b"OT"
CHARACTER_SETS: Final = frozenset(term.encode() for term in python_encoding)
# ISO-IR 100, ISO IR 100, ISO_IR_100, ISO 2022-IR 100 and the like, as some writers have them.
_MISSPELLED: Final = re.compile(rb"ISO[ _-]?(2022)?[ _-]?IR[ _-]?([0-9]{1,3})")


def modality(value: bytes) -> bytes:
    """A Modality as the Standard defines it, otherwise OT."""
    term = value.strip(b"\0 ").upper()
    return term if term in MODALITIES else OTHER


def character_set(value: bytes) -> bytes | None:
    """A Specific Character Set whose every term is known, spelled right; None when a term is unknown."""
    terms = [_spelled(term.strip(b"\0 ")) for term in value.split(b"\\")]
    return None if any(term not in CHARACTER_SETS for term in terms) else b"\\".join(terms)


def _spelled(term: bytes) -> bytes:
    if term in CHARACTER_SETS or not (match := _MISSPELLED.fullmatch(term.upper())):
        return term
    return (b"ISO 2022 IR " if match[1] else b"ISO_IR ") + match[2]
