"""A profile compiled: one rule per attribute, for objects of one SOP class, at the top level and inside items."""

from collections.abc import Mapping
from functools import lru_cache

from deidentification.gate.identity import IDENTIFYING
from deidentification.profiles.checking import checked
from deidentification.profiles.model import PrivateElement, Profile
from deidentification.profiles.overrides import of_override
from deidentification.profiles.resolving import (
    RESOLVED,
    UNKNOWN,
    cleaned_by_review,
    of_code,
    of_row,
    rule,
    unlisted,
)
from deidentification.profiles.rules import (
    ANY_ELEMENT,
    DATE,
    DROP,
    KEEP,
    REFUSE,
    REFUSE_BITS,
    REFUSE_YES,
    VERSION,
    Compiled,
    Rule,
)
from deidentification.standard import reviewed, tables, types
from deidentification.standard.dictionary import DICTIONARY
from deidentification.standard.tables import AttributeRow, Option


@lru_cache(maxsize=1)
def rows() -> dict[int, AttributeRow]:
    """The rows of E.1-1 that name one attribute; its four patterns (curves, overlays, private) are groups to us."""
    return {int(row.tag, 16): row for row in tables.attributes() if "x" not in row.tag and "g" not in row.tag}


@lru_cache(maxsize=32)
def compiled(profile: Profile, sop_class: bytes = b"") -> Compiled:
    """One rule for every attribute that the table, the review or the data dictionary knows.

    Raises ProfileError for a profile that cannot be applied.
    """
    checked(profile)
    top, nested = (
        {**_plain(profile.options), **_of_types(profile.options, demands)}
        for demands in types.of_sop_class(sop_class.decode("ascii", "replace"))
    )
    top |= {override.tag: of_override(override) for override in profile.attributes}
    nested |= {override.tag: of_override(override) for override in profile.attributes if override.nested}
    options = profile.options
    safe = tables.safe_private() if Option.SAFE_PRIVATE in options else ()
    keeps_dates = Option.FULL_DATES in options
    return Compiled(
        rules=top,
        nested=nested,
        private={(row.group, row.element, row.creator.encode()): row.vr.encode() for row in safe},
        own_private={_private_key(entry): (entry.vr or "").encode() for entry in profile.private},
        removed_concepts=frozenset(
            (row.code.encode(), row.scheme.encode())
            for row in tables.concepts()
            if row.basic == "X" and not options & row.options.keys()
        ),
        modified_dates=Option.MODIFIED_DATES in options,
        profile=profile,
        keeps_uids=Option.UIDS in options,
        keeps_dates=keeps_dates,
        structured=Option.STRUCTURED_CONTENT in options,
        graphics=Option.GRAPHICS in options,
        kept_identifying=frozenset(
            tag for tag in IDENTIFYING if any(_stays(rules.get(tag, UNKNOWN), keeps_dates) for rules in (top, nested))
        ),
    )


@lru_cache(maxsize=16)
def _plain(options: frozenset[Option]) -> Mapping[int, Rule]:
    """The rules that hold whatever the object is, before what the project wants differently."""
    known = {tag: unlisted(tag, options) for tag in DICTIONARY}
    known |= {
        tag: cleaned_by_review(of_code(tag, code, "reviewed"), tag, options) for tag, code in reviewed.ADDED.items()
    }
    known |= {tag: of_row(tag, row, options) for tag, row in rows().items()}
    known |= {tag: rule(tag, REFUSE_YES, code, "reviewed", RESOLVED[code][0])
              for tag, code in reviewed.BURNED_IN.items()}  # fmt: skip
    known |= {tag: rule(tag, REFUSE_BITS, "X", "E.1-1 overlays", DROP) for tag in reviewed.OVERLAY_BITS_ALLOCATED}
    known[reviewed.ENCAPSULATED_DOCUMENT] = rule(reviewed.ENCAPSULATED_DOCUMENT, REFUSE, "D", "E.1-1", DROP)
    return {tag: found for tag, found in known.items() if tag & 0xFFFF and found is not UNKNOWN}


def _of_types(options: frozenset[Option], demands: Mapping[int, int]) -> Mapping[int, Rule]:
    """The rules that the Types of one IOD decide."""
    return {tag: of_row(tag, rows()[tag], options, demand) for tag, demand in demands.items()}


def _private_key(entry: PrivateElement) -> tuple[int, int, bytes]:
    return entry.group, ANY_ELEMENT if entry.element is None else entry.element, entry.creator.encode()


def _stays(found: Rule, keeps_dates: bool) -> bool:
    """Whether the source's own value is written."""
    return found.act in (KEEP, VERSION) or (found.act is DATE and keeps_dates)
