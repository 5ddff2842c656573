"""The codes of audit messages: PS3.16 CID 400 to 405 (scheme DCM), and the values of PS3.15 A.5.1.2."""

from typing import Final, NamedTuple


class Code(NamedTuple):
    """A coded value, as an element of the message carries it."""

    value: str
    meaning: str
    system: str = "DCM"


# CID 400, Audit Event ID.
APPLICATION_ACTIVITY: Final = Code("110100", "Application Activity")
AUDIT_LOG_USED: Final = Code("110101", "Audit Log Used")
BEGIN_TRANSFERRING: Final = Code("110102", "Begin Transferring DICOM Instances")
INSTANCES_ACCESSED: Final = Code("110103", "DICOM Instances Accessed")
INSTANCES_TRANSFERRED: Final = Code("110104", "DICOM Instances Transferred")
STUDY_DELETED: Final = Code("110105", "DICOM Study Deleted")
EXPORT: Final = Code("110106", "Export")
IMPORT: Final = Code("110107", "Import")
PATIENT_RECORD: Final = Code("110110", "Patient Record")
QUERY: Final = Code("110112", "Query")
SECURITY_ALERT: Final = Code("110113", "Security Alert")
USER_AUTHENTICATION: Final = Code("110114", "User Authentication")

# CID 401, Audit Event Type Code, and CID 403, Security Alert Type Code.
APPLICATION_START: Final = Code("110120", "Application Start")
APPLICATION_STOP: Final = Code("110121", "Application Stop")
LOGIN: Final = Code("110122", "Login")
LOGOUT: Final = Code("110123", "Logout")
SECURITY_CONFIGURATION: Final = Code("110129", "Security Configuration")
RESTRICTED_FUNCTION: Final = Code("110132", "Use of Restricted Function")
OBJECT_CHANGED: Final = Code("110135", "Object Security Attributes Changed")
ROLES_CHANGED: Final = Code("110136", "Security Roles Changed")
USER_CHANGED: Final = Code("110137", "User Security Attributes Changed")

# CID 402, Audit Active Participant Role ID Code, and CID 405, Media Type Code.
APPLICATION: Final = Code("110150", "Application")
DESTINATION_ROLE: Final = Code("110152", "Destination Role ID")
SOURCE_ROLE: Final = Code("110153", "Source Role ID")
DESTINATION_MEDIA: Final = Code("110154", "Destination Media")
SOURCE_MEDIA: Final = Code("110155", "Source Media")
MEDIA_URI: Final = Code("110037", "URI")

# CID 404, Audit Participant Object ID Type Code, and A.5.1.2.4.
STUDY_UID: Final = Code("110180", "Study Instance UID")
PATIENT_NUMBER: Final = Code("2", "Patient Number", "RFC-3881")
URI: Final = Code("12", "URI", "RFC-3881")
