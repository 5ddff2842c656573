"""The de-identification engine: a library with no bus, no database and no settings in it.

`deidentify(source, root, subject, profile)` writes one object or raises CannotDeidentify; `deidentify_all` does it
for many and keeps the disk busy meanwhile; `deidentify_folder` does it for a folder and reports.
"""

from deidentification.errors import CannotDeidentify
from deidentification.folder import FolderError, Report, deidentify_folder, numbered
from deidentification.instance import Deidentified, Layout, Names, by_series, deidentify, deidentify_all
from deidentification.profiles.compiled import BASIC, PROFILES, Profile
from deidentification.standard.tables import Option
from deidentification.subject import Subject

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
