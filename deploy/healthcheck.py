"""Ask this container's own health page: exit code 0 when it answers 200, 1 when not."""

import os
import sys
from http.client import HTTPConnection, HTTPException


def alive(port: int, page: str = "/livez") -> bool:
    """Whether the page is there, within three seconds."""
    connection = HTTPConnection("127.0.0.1", port, timeout=3)
    try:
        connection.request("GET", page)
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(not alive(int(os.environ["FIONA_HEALTH_PORT"]), *sys.argv[1:2]))
