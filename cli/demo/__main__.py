"""`python -m cli.demo` (make demo), `python -m cli.demo --serve` (make run)."""

import argparse
import signal
import sys
from pathlib import Path

from pydicom import config

from cli.demo.gateway import GatewayFailed
from cli.demo.serve import serve
from cli.demo.story import tell
from cli.failure import Failure
from cli.output import remark


def main() -> int:
    """The exit code: 0 only if every count agrees (or, serving, when it was asked to stop)."""
    parser = argparse.ArgumentParser(prog="python -m cli.demo", description=__doc__)
    parser.add_argument("--serve", action="store_true", help="set up and keep serving; nothing is sent")
    parser.add_argument("--data", type=Path, help="the store: build/demo (made anew), or build/run (kept)")
    parser.add_argument("--bundled-only", action="store_true", help="send only what the pydicom wheel has")
    asked = parser.parse_args()
    config.settings.reading_validation_mode = config.IGNORE
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    try:
        if asked.serve:
            return serve(asked.data or Path("build/run"))
        return tell(asked.data or Path("build/demo"), asked.bundled_only)
    except (Failure, GatewayFailed) as failure:
        remark(f"demo: {failure}")
        return 1
    except KeyboardInterrupt:
        remark("stopped")
        return 130


if __name__ == "__main__":
    sys.exit(main())
