"""The whole gateway on real parts, each of which can be reached by malice."""

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.components.disks import mounted
from tests.components.network import Network, permitted
from tests.components.orthanc import Orthanc
from tests.components.postgres import PostgreSQL
from tests.components.process import LOOPBACK
from tests.components.proxy import Proxy
from tests.components.rabbitmq import RabbitMQ
from tests.components.redcap import RedcapServer
from tests.integration.redcap_setting import INCOMING_TOKEN, PROJECT, PROJECT_TOKEN, incoming, own, token_files
from tests.system.gateway import ALL, ROOT, Gateway, ServiceProcess, running

INSIDE = Path(__file__).parent / "inside"
ROAD = ("indexer", "router", "anonymizer", "sender")
POLICIES = """
archive: {quota_gib: 0.000001, min_days: 0, unassigned_days: null}
anonymized: {quota_gib: 0.000001, min_days: 0, stopped_days: 0}
links: {days: 0}
"""
"""Whatever is whole at its destination may go at once."""


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
    redcap: RedcapServer
    beside: ServiceProcess
    """The whole road once more, in a process of an earlier version."""

    def heal(self, services: bool = True) -> None:
        """Everything runs, answers and tells the right time; the older version has gone."""
        for network in (self.broker_network, self.database_network):
            if network is not None:
                network.mend()
        self.cable.well()
        self.set_clock(0)
        self.redcap.mode = "ok"
        for disk in DISKS:
            (self.folder / disk / "ballast").unlink(missing_ok=True)
        processes = self.gateway.processes.values() if services else ()
        for process in processes:
            process.wait_for_ready = False
        for part in (self.postgres, self.rabbitmq, self.orthanc, *processes):
            part.ensure()
        self.beside.stop()

    def revive_broker(self) -> str:
        """What an operator does with a broker whose queues have no process: start it again; at last, without memory."""
        for done in ("", "restarted"):
            if not self._lifeless_for(20):
                return done
            self.rabbitmq.restart()
        if not self._lifeless_for(20):
            return "restarted"
        self.rabbitmq.lose_everything()
        said = self.gateway.fiona("republish", "--older-than", "0")
        return "without memory, republished" if said.returncode == 0 else said.stdout + said.stderr

    def _lifeless_for(self, seconds: float) -> list[str]:
        deadline = time.monotonic() + seconds
        while (found := self.rabbitmq.lifeless()) and time.monotonic() < deadline:
            time.sleep(1)
        return found

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
        for seen in self.clock.parent.glob("clock.[+-]*"):
            seen.unlink()
        draft = self.clock.with_suffix(".new")
        draft.write_text(f"{seconds:+d}\n")
        draft.rename(self.clock)

    def misled(self) -> int:
        """How many processes go by a wrong clock."""
        return len(list(self.clock.parent.glob("clock.[+-]*")))


DISKS = {"data": 96, "postgres": 256, "rabbitmq": 256}
"""Parts whose folder is a small disk of its own, in megabytes, where we may mount one."""


def _settings(folder: Path, redcap: RedcapServer) -> dict[str, str]:
    """Of the janitor, that it has something to do, and of REDCap, that it is told."""
    (folder / "policies.yaml").write_text(POLICIES)
    return {
        "FIONA_ANONYMIZER_WORKERS": "1",
        "FIONA_JANITOR_POLICIES": str(folder / "policies.yaml"),
        "FIONA_JANITOR_EVERY_SECONDS": "4",
        "FIONA_JANITOR_POLL_SECONDS": "0.5",
        "FIONA_JANITOR_YOUNG_SECONDS": "0",
        # Heartbeats are younger than the first version, which is beside us: an upgrade stops the monitor for that.
        "FIONA_MONITOR_HEARTBEAT_SECONDS": "0",
        "FIONA_MONITOR_EVERY_SECONDS": "5",
        "FIONA_REDCAP_URL": redcap.url,
        "FIONA_REDCAP_INCOMING_TOKEN": INCOMING_TOKEN,
        "FIONA_REDCAP_TOKENS": str(token_files(folder / "tokens", ABCD_study=PROJECT_TOKEN)),
        "FIONA_REDCAP_POLL_SECONDS": "0.5",
        "FIONA_REDCAP_TIMEOUT_SECONDS": "4",
        "FIONA_REDCAP_CALLS_PER_MINUTE": "6000",
    }


def _keep(folder: Path) -> None:
    """The logs of a day that did not end well."""
    kept = ROOT / "build/chaos-logs"
    shutil.rmtree(kept, ignore_errors=True)
    for log in folder.glob("*/*.log"):
        kept.mkdir(parents=True, exist_ok=True)
        shutil.copy(log, kept / log.name)


@contextmanager
def world(beside: Path | None = None, keep_logs: bool = False) -> Iterator[World]:
    """All of it, started, with a project that goes to the research PACS; gone afterwards.

    `beside` is a checkout of an earlier version; without one there is a process that speaks as the first did.
    """
    folder = Path(tempfile.mkdtemp(prefix="fiona-chaos-"))
    folder.chmod(0o711)
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        if keep_logs:
            stack.callback(_keep, folder)
        redcap = stack.enter_context(RedcapServer(incoming(), own()))
        networks = [stack.enter_context(Network()) if permitted() else None for _ in range(2)]
        for name, megabytes in DISKS.items():
            (folder / name).mkdir(mode=0o755)
            stack.enter_context(mounted(folder / name, megabytes))
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
            **_settings(folder, redcap),
        }
        each = tuple((service,) for service in ALL)
        made = Gateway(folder, environment, each, before=INSIDE)
        made.change(FIONA_REDCAP_API_URL=f"http://{LOOPBACK}:{made.api_port}")
        gateway = stack.enter_context(running(made))
        older = made.settings | ({} if beside else {"CHAOS_FIRST_VERSION": "1"})
        process = ServiceProcess(ROAD, folder / "beside", older, INSIDE, (beside or ROOT).resolve())
        process.name, process.wait_for_ready = "beside", False  # type: ignore[misc]
        stack.callback(process.kill)
        config = {"host": LOOPBACK, "port": cable.port, "called_aet": orthanc.aet, "timeout": 10}
        config |= {"withdraw": {"by": "orthanc-rest", "url": orthanc.http_url}}
        roles = [word for role in ("administrator", "operator", "auditor") for word in ("--role", role)]
        gateway.fiona("user", "set", "tester", *roles).check_returncode()
        gateway.add_project(PROJECT, {"kind": "dicom", "config": config})
        yield World(
            folder, gateway, rabbitmq, postgres, orthanc, cable, networks[0], networks[1], clock, redcap, process
        )
