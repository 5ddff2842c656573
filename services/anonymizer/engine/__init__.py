"""The de-identification engine: a library with no bus, no database and no settings in it.

`deidentify(source, root, subject, profile)` writes one object or raises CannotDeidentify; `deidentify_all` does it
for many and keeps the disk busy meanwhile; `deidentify_folder` does it for a folder and reports.
"""

from services.anonymizer.engine.errors import CannotDeidentify
from services.anonymizer.engine.folder import FolderError, Report, deidentify_folder, numbered
from services.anonymizer.engine.instance import Deidentified, Layout, Names, by_series, deidentify, deidentify_all
from services.anonymizer.engine.profile import BASIC, PROFILES, Profile
from services.anonymizer.engine.subject import Subject
from services.anonymizer.engine.tables import Option

__all__ = [
    "BASIC",
    "PROFILES",
    "CannotDeidentify",
    "Deidentified",
    "FolderError",
    "Layout",
    "Names",
    "Option",
    "Profile",
    "Report",
    "Subject",
    "by_series",
    "deidentify",
    "deidentify_all",
    "deidentify_folder",
    "numbered",
]
