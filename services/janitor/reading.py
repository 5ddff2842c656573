"""A file of the archive as the receiver would have announced it."""

from mmap import ACCESS_READ, mmap

from shared.dicom.filemeta import read_meta
from shared.dicom.scan import Unparsable
from shared.events import ReceivedInstance
from shared.journal.judge import judge_dataset
from shared.journal.outcome import Outcome
from shared.store import Store


def read_received(store: Store, path: str) -> ReceivedInstance | None:
    """What names the instance; None when it is no whole DICOM file, or lies where the receiver would not put it."""
    file = store / path
    try:
        with file.open("rb") as opened, mmap(opened.fileno(), 0, access=ACCESS_READ) as content:
            meta = read_meta(content)
            request = meta.sop_class_uid, meta.sop_instance_uid, meta.transfer_syntax_uid
            found = judge_dataset(content, meta.dataset, *request)
            size = len(content)
    except (OSError, Unparsable, ValueError):
        return None
    if isinstance(found, Outcome):
        return None
    place = store.instance(found.study_instance_uid, found.sop_instance_uid)
    conflict = path != place
    if conflict and not (path.startswith(place.removesuffix("dcm")) and path.endswith(".conflict.dcm")):
        return None
    return ReceivedInstance(
        study_instance_uid=found.study_instance_uid,
        series_instance_uid=found.series_instance_uid,
        sop_instance_uid=found.sop_instance_uid,
        sop_class_uid=found.sop_class_uid,
        transfer_syntax_uid=meta.transfer_syntax_uid,
        path=path,
        size=size,
        conflict=conflict,
    )
