"""What a DIMSE destination says it holds of a series: C-FIND of the study root model (PS3.4 §C.6.2)."""

from pydicom import Dataset
from pynetdicom.association import Association
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelFind  # type: ignore[attr-defined]

from services.sender.clients.protocol import Found
from shared.destinations import DicomDestination
from shared.destinations.dimse import NoAssociation, associate
from shared.scu import Unavailable

_MODEL = StudyRootQueryRetrieveInformationModelFind
PENDING = (0xFF00, 0xFF01)
SUCCESS = 0x0000
OUT_OF_RESOURCES = 0xA7


def find_series(config: DicomDestination, study: str, series: str) -> Found | None:
    """Its SOP Instance UIDs; of a peer without the IMAGE level their number; None without C-FIND."""
    try:
        association = associate(config, _MODEL)
    except NoAssociation as error:
        raise Unavailable(f"C-FIND: {error}") from error
    if association is None:
        return None
    try:
        return _instances(association, study, series) or _number(association, study, series)
    finally:
        association.release()


def _instances(association: Association, study: str, series: str) -> Found | None:
    query = Dataset()
    query.QueryRetrieveLevel = "IMAGE"
    query.StudyInstanceUID, query.SeriesInstanceUID, query.SOPInstanceUID = study, series, ""
    answers = _answers(association, query)
    if answers is None:
        return None
    found = frozenset(str(answer.SOPInstanceUID) for answer in answers if "SOPInstanceUID" in answer)
    return Found(found, len(found))


def _number(association: Association, study: str, series: str) -> Found | None:
    query = Dataset()
    query.QueryRetrieveLevel = "SERIES"
    query.StudyInstanceUID, query.SeriesInstanceUID = study, series
    query.NumberOfSeriesRelatedInstances = ""
    answers = _answers(association, query)
    numbers = [answer.get("NumberOfSeriesRelatedInstances") for answer in answers or ()]
    if answers is None or any(number is None for number in numbers):
        return None
    return Found(None, sum(int(number) for number in numbers if number is not None))


def _answers(association: Association, query: Dataset) -> list[Dataset] | None:
    """The matches; None when the peer answers with a failure, Unavailable when it does not answer."""
    matches = []
    for status, identifier in association.send_c_find(query, _MODEL):
        if "Status" not in status:
            raise Unavailable("no answer to C-FIND")
        if status.Status in PENDING:
            if identifier is not None:
                matches.append(identifier)
        elif status.Status >> 8 == OUT_OF_RESOURCES:
            raise Unavailable("out of resources for C-FIND")
        elif status.Status != SUCCESS:
            return None
    return matches
