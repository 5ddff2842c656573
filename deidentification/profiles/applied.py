"""The rules as the engine applies them: compiled, and refined by what is known of short texts and drawings."""

from deidentification.profiles.model import Profile
from deidentification.profiles.rules import Compiled


def applied(profile: Profile, sop_class: str = "") -> Compiled:
    """What is said of a profile is said of these. Raises ProfileError for a profile that cannot be applied."""
    # `content` builds on the rules of this package, so it can only be asked once both are there.
    from deidentification.content import scopes

    found = scopes.applied(profile, sop_class.encode())
    return found.profile._replace(rules=found.rules, nested=found.nested)
