"""The File Meta Information of a DICOM file (PS3.10 §7.1): written for what we keep, read from anybody."""

from dataclasses import dataclass
from struct import Struct, error, pack

from shared.dicom.encoding import LONG_VR, Buffer, Unparsable

IMPLEMENTATION_CLASS_UID = "2.25.67808963430597229554189942098566856106"
IMPLEMENTATION_VERSION_NAME = "FIONA"

_ELEMENT = Struct("<HH2sH")
_LENGTH = Struct("<L")
_SOP_CLASS, _SOP_INSTANCE, _TRANSFER_SYNTAX, _SENDING, _RECEIVING = 0x0002, 0x0003, 0x0010, 0x0017, 0x0018
_WANTED = frozenset((_SOP_CLASS, _SOP_INSTANCE, _TRANSFER_SYNTAX, _SENDING, _RECEIVING))


@dataclass(frozen=True, slots=True)
class FileMeta:
    """What a file says about its dataset, from whom it came, and the offset at which the dataset begins."""

    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    dataset: int
    sending_aet: str = ""
    receiving_aet: str = ""


def _ui(element: int, uid: str) -> bytes:
    value = uid.encode("ascii")
    value += b"\0" * (len(value) % 2)
    return _ELEMENT.pack(2, element, b"UI", len(value)) + value


def _ae(element: int, title: str) -> bytes:
    """An AE title (at most 16 characters of the default repertoire); nothing for none."""
    value = title[:16].encode("ascii", "replace")
    value += b" " * (len(value) % 2)
    return _ELEMENT.pack(2, element, b"AE", len(value)) + value if value.strip() else b""


def write_meta(
    sop_class_uid: str, sop_instance_uid: str, transfer_syntax_uid: str, sending_aet: str = "", receiving_aet: str = ""
) -> bytes:
    """A zero preamble, the prefix and the group 2 that names us as the writer, and who sent it to whom."""
    name = IMPLEMENTATION_VERSION_NAME.encode("ascii")
    name += b" " * (len(name) % 2)
    group = b"".join(
        (
            pack("<HH2sHL", 2, 1, b"OB", 0, 2) + b"\0\1",
            _ui(_SOP_CLASS, sop_class_uid),
            _ui(_SOP_INSTANCE, sop_instance_uid),
            _ui(_TRANSFER_SYNTAX, transfer_syntax_uid),
            _ui(0x0012, IMPLEMENTATION_CLASS_UID),
            _ELEMENT.pack(2, 0x0013, b"SH", len(name)) + name,
            _ae(_SENDING, sending_aet),
            _ae(_RECEIVING, receiving_aet),
        )
    )
    return b"\0" * 128 + b"DICM" + _ELEMENT.pack(2, 0, b"UL", 4) + _LENGTH.pack(len(group)) + group


def read_meta(buffer: Buffer) -> FileMeta:
    """Walk group 2 of a DICOM file; Unparsable when it is none. The group's length is not trusted."""
    if bytes(buffer[128:132]) != b"DICM":
        raise Unparsable("not a DICOM file")
    position = 132
    values: dict[int, str] = {}
    try:
        while len(buffer) - position >= 8:
            group, element, vr, length = _ELEMENT.unpack_from(buffer, position)
            if group != 2:
                break
            position += 8
            if vr in LONG_VR:
                (length,) = _LENGTH.unpack_from(buffer, position)
                position += 4
            if element in _WANTED:
                value = bytes(buffer[position : position + min(length, 1024)])
                values[element] = value.strip(b"\0 ").decode("latin-1")
            position += length
    except error:
        raise Unparsable("ends inside the file meta information") from None
    if position > len(buffer):
        raise Unparsable("ends inside the file meta information")
    if not values.get(_TRANSFER_SYNTAX):
        raise Unparsable("the file does not say its transfer syntax")
    return FileMeta(
        values.get(_SOP_CLASS, ""),
        values.get(_SOP_INSTANCE, ""),
        values[_TRANSFER_SYNTAX],
        position,
        values.get(_SENDING, ""),
        values.get(_RECEIVING, ""),
    )
