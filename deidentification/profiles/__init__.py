"""Profiles: what a data manager writes, checked and compiled to one rule per attribute."""

from deidentification.profiles.built_in import BASIC, BUILT_IN, FIONA, read_profile
from deidentification.profiles.checking import problems
from deidentification.profiles.codes import dates_modified, profile_codes, profile_method
from deidentification.profiles.differences import Difference, diff
from deidentification.profiles.digesting import digest
from deidentification.profiles.explaining import Explanation, explain
from deidentification.profiles.model import Profile
from deidentification.profiles.problems import Problem, ProfileError
from deidentification.profiles.warning import warnings
from deidentification.profiles.writing import write_profile

__all__ = [
    "BASIC",
    "BUILT_IN",
    "FIONA",
    "Difference",
    "Explanation",
    "Problem",
    "Profile",
    "ProfileError",
    "dates_modified",
    "diff",
    "digest",
    "explain",
    "problems",
    "profile_codes",
    "profile_method",
    "read_profile",
    "warnings",
    "write_profile",
]
