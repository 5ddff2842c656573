"""Whether an instance may be acknowledged: every rule that has nothing to do with disks."""

from shared.dicom.encoding import Buffer, Unparsable
from shared.dicom.scan import Scan, scan
from shared.journal.outcome import Outcome, Refusal, refused
from shared.store import valid_uid


def judge_request(sop_class_uid: str, sop_instance_uid: str, transfer_syntax_uid: str) -> Outcome | None:
    """A refusal if the request alone is enough for one: these UIDs end in paths and in File Meta."""
    if not all(map(valid_uid, (sop_class_uid, sop_instance_uid, transfer_syntax_uid))):
        return refused(Refusal.REQUESTED_UID)
    return None


def judge_dataset(
    file: Buffer, start: int, sop_class_uid: str, sop_instance_uid: str, transfer_syntax_uid: str
) -> Scan | Outcome:
    """What names the instance, or the refusal: the dataset begins at `start` and must end with the file."""
    try:
        found = scan(file, transfer_syntax_uid, start)
    except Unparsable as error:
        return refused(Refusal.UNPARSABLE, error.reason)
    for refusal, uid in (
        (Refusal.STUDY_INSTANCE_UID, found.study_instance_uid),
        (Refusal.SERIES_INSTANCE_UID, found.series_instance_uid),
        (Refusal.SOP_INSTANCE_UID, found.sop_instance_uid),
        (Refusal.SOP_CLASS_UID, found.sop_class_uid),
    ):
        if not valid_uid(uid):
            return refused(refusal)
    if found.sop_class_uid != sop_class_uid:
        return refused(Refusal.SOP_CLASS_MISMATCH)
    if found.sop_instance_uid != sop_instance_uid:
        return refused(Refusal.SOP_INSTANCE_MISMATCH)
    return found
