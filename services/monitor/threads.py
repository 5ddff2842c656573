"""Where the monitor waits for certificates and clocks of others."""

from shared.threads import Threads

in_thread = Threads("monitor")
