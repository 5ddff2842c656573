"""What a project holds of people, where, since when, and who has seen it."""

from services.api.data_protection.report import report
from services.api.data_protection.shapes import ProjectReport

__all__ = ["ProjectReport", "report"]
