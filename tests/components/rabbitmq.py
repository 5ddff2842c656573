"""RabbitMQ of one's own: any user, loopback only, with its own epmd, cookie and data."""

import os
import shutil
import subprocess
from itertools import count
from pathlib import Path
from typing import Any, ClassVar

import httpx

from tests.components import plain
from tests.components.process import LOOPBACK, Process, accepts, free_port
from tests.components.programs import absent
from tests.components.server import Server

BIN = Path("/usr/lib/rabbitmq/bin")

CONFIG = """\
listeners.tcp.1 = {host}:{port}
management.tcp.ip = {host}
management.tcp.port = {http_port}
loopback_users = none
disk_free_limit.absolute = 50MB
log.console = true
log.console.level = warning
log.file = false
"""

# The distribution port would listen on all addresses; idle schedulers that spin would steal cores.
ERLANG = "-kernel inet_dist_use_interface {127,0,0,1} -start_epmd false +sbwt none +sbwtdcpu none +sbwtdio none"


def missing() -> list[str]:
    """What it needs and this machine has not."""
    server = BIN / "rabbitmq-server"
    return [*([] if server.exists() else [str(server)]), *absent("epmd", "setpriv")]


class RabbitMQ(Server):
    """A broker with the management API, as guest:guest, over AMQP and HTTP on loopback.

    `more` is added to its configuration.
    """

    name: ClassVar[str] = "rabbitmq"

    def __init__(self, folder: Path, more: str = "") -> None:
        super().__init__(folder)
        self._more = more
        self.port, self.http_port, self.dist_port, self.epmd_port = (free_port() for _ in range(4))
        self.node = f"fiona{self.port}@localhost"
        self._epmd: Process | None = None
        self._vhosts = count(1)

    @property
    def url(self) -> str:
        """AMQP, the default virtual host."""
        return f"amqp://guest:guest@{self.host}:{self.port}/"

    @property
    def http_url(self) -> str:
        """The management API's root."""
        return f"http://{self.host}:{self.http_port}/api"

    def command(self) -> list[str]:
        return [str(BIN / "rabbitmq-server")]

    def environment(self) -> dict[str, str]:
        foreign = ("RABBITMQ_", "ERL_")
        inherited = {key: value for key, value in os.environ.items() if not key.startswith(foreign)}
        return inherited | {
            # Makes the start script exec the virtual machine, so that our signals reach it and not a shell.
            "RUNNING_UNDER_SYSTEMD": "true",
            "HOME": str(self.folder),
            "ERL_EPMD_ADDRESS": LOOPBACK,
            "ERL_EPMD_PORT": str(self.epmd_port),
            "RABBITMQ_NODENAME": self.node,
            "RABBITMQ_DIST_PORT": str(self.dist_port),
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq.conf"),
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "enabled_plugins"),
            "RABBITMQ_MNESIA_BASE": str(self.folder / "data"),
            "RABBITMQ_LOG_BASE": str(self.folder / "log"),
            "RABBITMQ_PID_FILE": str(self.folder / "pid"),
            "RABBITMQ_GENERATED_CONFIG_DIR": str(self.folder / "config"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": ERLANG,
        }

    def prepare(self) -> None:
        super().prepare()
        config = CONFIG.format(host=self.host, port=self.port, http_port=self.http_port)
        (self.folder / "rabbitmq.conf").write_text(config + self._more)
        (self.folder / "enabled_plugins").write_text("[rabbitmq_management].\n")
        if self._epmd is None or not self._epmd.running:
            command = ["epmd", "-port", str(self.epmd_port), "-address", LOOPBACK]
            self._epmd = Process(
                command, self.folder / "epmd.log", namespace=self.network.name if self.network else None
            )
            self._epmd.wait_ready(self._epmd_ready, self.start_timeout)

    def ready(self) -> bool:
        if not accepts(self.port, self.host):
            return False
        try:
            return self.api("GET", "/whoami").is_success
        except httpx.TransportError:
            return False

    def _epmd_ready(self) -> bool:
        """It is on loopback: in a namespace only those inside reach it, and start after it all the same."""
        return self.network is not None or accepts(self.epmd_port)

    def lose_everything(self) -> None:
        """Its disk is gone: killed, and started with nothing."""
        self.kill()
        shutil.rmtree(self.folder / "data")
        self.start()

    def stop(self) -> None:
        super().stop()
        self._stop_epmd()

    def kill(self) -> None:
        super().kill()
        self._stop_epmd()

    def _stop_epmd(self) -> None:
        if self._epmd is not None:
            self._epmd.kill()

    def api(self, method: str, path: str, body: Any = None) -> httpx.Response:
        """One request to the management API."""
        return plain.request(method, self.http_url + path, json=body, auth=("guest", "guest"), timeout=120)

    def fresh_vhost(self) -> str:
        """The AMQP URL of a new, empty virtual host, which stays until dropped."""
        name = f"test-{os.getpid()}-{next(self._vhosts)}"
        self.api("PUT", f"/vhosts/{name}").raise_for_status()
        return self.url + name

    def drop_vhost(self, url: str) -> None:
        """Delete a virtual host with its queues, messages and connections."""
        self.api("DELETE", f"/vhosts/{url.rpartition('/')[2]}").raise_for_status()

    def queues(self, url: str | None = None) -> dict[str, int]:
        """Messages per queue (ready and unacknowledged) as the broker last counted them: up to 5 s old."""
        vhost = (url or self.url).rpartition("/")[2] or "%2F"
        answer = self.api("GET", f"/queues/{vhost}").raise_for_status().json()
        return {queue["name"]: queue.get("messages", 0) for queue in answer}

    def settle(self) -> None:
        """What was declared is on its disk: the broker answers a declaration some two seconds before it is."""
        command = [str(BIN / "rabbitmqctl"), "-q", "eval", "mnesia:sync_log()."]
        answer = subprocess.run(
            command, env=self.environment(), stdin=subprocess.DEVNULL, capture_output=True, check=True, timeout=120
        )
        assert answer.stdout.strip() == b"ok", answer.stdout

    def lifeless(self) -> list[str]:
        """Quorum queues that no process serves."""
        found = self.api("GET", "/queues").raise_for_status().json()
        return [queue["name"] for queue in found if queue.get("type") == "quorum" and not queue.get("online")]

    def close_connections(self) -> int:
        """Cut every client's connection, as a broker does that loses its nerve; how many."""
        connections = self.api("GET", "/connections").raise_for_status().json()
        for connection in connections:
            self.api("DELETE", f"/connections/{connection['name']}")
        return len(connections)
