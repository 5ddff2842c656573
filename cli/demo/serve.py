"""`make run`: the demo's set-up in a store that is kept, serving until Ctrl-C."""

import os
import time
from pathlib import Path

from cli.client import Client
from cli.demo.gateway import ADMINISTRATOR, Ports, running
from cli.demo.setting import DESTINATION, PROJECT, set_up
from cli.output import out, remark


def serve(data: Path) -> int:
    """Serve until Ctrl-C; the environment's FIONA_… settings hold."""
    ports = Ports.from_environment()
    with running(data, ports, os.environ) as gateway:
        with Client(gateway.url, token=gateway.token) as client:
            set_up(client)
        api = "" if ports.http == 8080 else f"FIONA_API={gateway.url} "
        out().print(
            f"the gateway is ready (Ctrl-C stops it)\n"
            f"  DICOM     FIONA@127.0.0.1:{ports.dicom}\n"
            f"  REST      {gateway.url}/api/v1 (described at {gateway.url}/api/v1/openapi.json)\n"
            f"  store     {data}\n"
            f"  log       {gateway.log}\n"
            f"  project   {PROJECT}, to the folder {data / 'outbox' / DESTINATION}\n"
            f"  sign in   {ADMINISTRATOR}, the password is in {gateway.password_file}\n"
            f"  terminal  export {api}FIONA_TOKEN_FILE={gateway.token_file.absolute()}\n"
            f"try:  .venv/bin/fiona send DIR --project {PROJECT} --participant DEMO001\n"
            f"      .venv/bin/fiona studies\n"
            f"      .venv/bin/fiona transfers --watch",
            markup=False,
        )
        try:
            while True:
                gateway.check()
                time.sleep(0.5)
        except KeyboardInterrupt:
            remark("stopping")
            return 0
