"""The cleaner of free text: what is not known to be harmless goes."""

from deidentification.text.cleaning import clean_text
from deidentification.text.person import Person, person_of

__all__ = ["Person", "clean_text", "person_of"]
