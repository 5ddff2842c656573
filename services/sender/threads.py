"""Where the sender's blocking work is done."""

from shared.threads import Threads

in_thread = Threads("sender")
