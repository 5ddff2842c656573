"""The journal: what was acknowledged, on disk before it was, and owed to the bus until the bus has it.

A folder per process that receives, in it a folder per association, in it one hard link per instance that is
still owed. No broker and no database is needed to receive; whoever starts next pays what a dead process owes.
"""

from shared.journal.association import Association
from shared.journal.draft import Draft
from shared.journal.journal import Journal
from shared.journal.outcome import Kind, Outcome, Refusal
from shared.journal.publisher import Publisher

__all__ = ["Association", "Draft", "Journal", "Kind", "Outcome", "Publisher", "Refusal"]
