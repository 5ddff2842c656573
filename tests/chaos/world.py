"""The whole gateway on real parts, each of which can be reached by malice."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.components.network import Network, permitted
from tests.components.orthanc import Orthanc
from tests.components.postgres import PostgreSQL
from tests.components.process import LOOPBACK
from tests.components.proxy import Proxy
from tests.components.rabbitmq import RabbitMQ
from tests.system.gateway import Gateway, running

PROJECT = "CHAOS"
CLOCKS = Path(__file__).parent / "clocks"


@dataclass
class World:
    """What there is to be hurt. Where the machine lets us make no networks, parts are frozen instead."""

    folder: Path
    gateway: Gateway
    rabbitmq: RabbitMQ
    postgres: PostgreSQL
    orthanc: Orthanc
    cable: Proxy
    broker_network: Network | None
    database_network: Network | None
    clock: Path

    def heal(self) -> None:
        """Everything runs, answers and tells the right time."""
        for network in (self.broker_network, self.database_network):
            if network is not None:
                network.mend()
        self.cable.well()
        self.set_clock(0)
        for disk in DISKS:
            (self.folder / disk / "ballast").unlink(missing_ok=True)
        for process in self.gateway.processes.values():
            process.wait_for_ready = False
        for part in (self.postgres, self.rabbitmq, self.orthanc, *self.gateway.processes.values()):
            part.ensure()

    def fill(self, disk: str) -> Path | None:
        """Leave no byte on a disk; the file that takes it all. None: it has no disk of its own."""
        folder = self.folder / disk
        if not folder.is_mount():
            return None
        ballast = folder / "ballast"
        with ballast.open("wb", buffering=0) as file:
            try:
                while file.write(bytes(1 << 16)):
                    pass
            except OSError:
                pass
        return ballast

    def set_clock(self, seconds: int) -> None:
        """Have the services' clocks off by so much within a second."""
        draft = self.clock.with_suffix(".new")
        draft.write_text(f"{seconds:+d}\n")
        draft.rename(self.clock)


DISKS = {"data": 96, "postgres": 256, "rabbitmq": 256}
"""Parts whose folder is a small disk of its own, in megabytes, where we may mount one."""


@contextmanager
def _disk(folder: Path, megabytes: int) -> Iterator[None]:
    folder.mkdir(mode=0o755)
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)]
    mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    try:
        yield
    finally:
        if mounted:
            subprocess.run(["umount", "-l", str(folder)], check=True)


@contextmanager
def world() -> Iterator[World]:
    """All of it, started, with a project that goes to the research PACS; gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="fiona-chaos-"))
    folder.chmod(0o711)
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        networks = [stack.enter_context(Network()) if permitted() else None for _ in range(2)]
        for name, megabytes in DISKS.items():
            stack.enter_context(_disk(folder / name, megabytes))
        rabbitmq = RabbitMQ(folder / "rabbitmq").behind(networks[0])
        postgres = PostgreSQL(folder / "postgres").behind(networks[1])
        orthanc = Orthanc(folder / "orthanc")
        for part in (rabbitmq, postgres, orthanc):
            stack.callback(part.kill)
            part.start()
        cable = stack.enter_context(Proxy(orthanc.dicom_port))
        clock = folder / "clock"
        clock.write_text("+0\n")
        environment = {
            "FIONA_BUS_URL": rabbitmq.url,
            "FIONA_DATABASE_URL": postgres.fresh_database(),
            # A day of retries in a minute: what is tried five times in vain here is not only unlucky.
            "FIONA_BUS_SETTLING_SECONDS": "3",
            "FIONA_BUS_RETRY_SECONDS": "[1, 2, 4, 8, 15, 15, 15, 15]",
            "CHAOS_CLOCK": str(clock),
        }
        gateway = stack.enter_context(running(Gateway(folder, environment, before=CLOCKS)))
        config = {"host": LOOPBACK, "port": cable.port, "called_aet": orthanc.aet, "timeout": 10}
        config |= {"withdraw": {"by": "orthanc-rest", "url": orthanc.http_url}}
        gateway.add_project(PROJECT, {"kind": "dicom", "config": config})
        yield World(folder, gateway, rabbitmq, postgres, orthanc, cable, networks[0], networks[1], clock)
