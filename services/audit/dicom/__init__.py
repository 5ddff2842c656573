"""Entries as audit messages of DICOM (PS3.15 A.5)."""

from services.audit.dicom.message import Source, message
from services.audit.dicom.subject import Subject, subjects

__all__ = ["Source", "Subject", "message", "subjects"]
