"""REDCap's API, played as strictly as its public documentation and the words of its errors allow.

What it keeps is in memory; it speaks JSON and flat records only. Known to be guessed: the wording of some errors, which
characters a record name may not have, that `count` counts records, not rows, and that arms, events and designations
cannot be imported in production even if nothing is overridden.
"""

from tests.components.redcap.project import Form, Project, text
from tests.components.redcap.server import RedcapServer

__all__ = ["Form", "Project", "RedcapServer", "text"]
