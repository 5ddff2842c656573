"""The de-identification engine: a library with no bus, no database and no settings in it.

`deidentify(source, root, subject, profile)` writes one object or raises CannotDeidentify; `deidentify_all` does it
for many and keeps the disk busy meanwhile; `deidentify_folder` does it for a folder and reports.
"""

from deidentification.dataset.context import moved_day
from deidentification.errors import CannotDeidentify, LeftOut
from deidentification.folder import FolderError, Report, deidentify_folder, not_entered, numbered
from deidentification.instance import Deidentified, Layout, Names, by_series, deidentify, deidentify_all
from deidentification.profiles import BASIC, BUILT_IN, Profile
from deidentification.standard.tables import Option
from deidentification.subject import Subject

__all__ = [
    "BASIC",
    "BUILT_IN",
    "CannotDeidentify",
    "Deidentified",
    "FolderError",
    "Layout",
    "LeftOut",
    "Names",
    "Option",
    "Profile",
    "Report",
    "Subject",
    "by_series",
    "deidentify",
    "deidentify_all",
    "deidentify_folder",
    "moved_day",
    "not_entered",
    "numbered",
]
