"""DCMTK's programs as functions: each returns the CompletedProcess, output and errors together in stdout."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ClassVar

from pydicom import Dataset, dcmread

from tests.components.process import LOOPBACK, accepts, free_port
from tests.components.programs import absent, find
from tests.components.server import Server

Done = subprocess.CompletedProcess[str]
Where = str | Path

PROGRAMS = ("storescu", "storescp", "dcmsend", "echoscu", "findscu", "movescu", "dcmdump")
ROOTS: Mapping[str, str] = {"study": "-S", "patient": "-P", "worklist": "-W"}


def missing() -> list[str]:
    """What it needs and this machine has not."""
    return absent(*PROGRAMS, "setpriv")


def environment(nodelay: bool = True) -> dict[str, str]:
    """Ours, with Nagle's algorithm off: with it each object costs up to 50 ms of delayed acknowledgement."""
    inherited = {key: value for key, value in os.environ.items() if key != "TCP_NODELAY"}
    return inherited | ({"TCP_NODELAY": "1"} if nodelay else {})


def run(program: str, *arguments: Where, nodelay: bool = True, timeout: float = 120) -> Done:
    """Run one to its end; subprocess.TimeoutExpired past `timeout` seconds."""
    return subprocess.run(
        [find(program) or program, *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env=environment(nodelay),
        timeout=timeout,
        check=False,
    )


def echoscu(
    port: int,
    called: str = "FIONA",
    calling: str = "ECHOSCU",
    options: Sequence[Where] = (),
    host: str = LOOPBACK,
    timeout: float = 30,
) -> Done:
    """C-ECHO; status 0 when it was answered with success."""
    return run("echoscu", "-aet", calling, "-aec", called, *options, host, str(port), timeout=timeout)


def storescu(
    port: int,
    *paths: Where,
    called: str = "FIONA",
    calling: str = "STORESCU",
    options: Sequence[Where] = ("-R",),
    host: str = LOOPBACK,
    nodelay: bool = True,
    timeout: float = 300,
) -> Done:
    """C-STORE of files and, with `+sd`, folders.

    `-R` proposes only what the files need, uncompressed; a compressed transfer syntax needs its option
    (`-xs` JPEG lossless, `-xv` JPEG 2000 lossless, `-xt` JPEG-LS, `-xr` RLE, …). dcmsend does that by itself.
    """
    arguments = ["-aet", calling, "-aec", called, *options, host, str(port), *paths]
    return run("storescu", *arguments, nodelay=nodelay, timeout=timeout)


def dcmsend(
    port: int,
    *paths: Where,
    called: str = "FIONA",
    calling: str = "DCMSEND",
    options: Sequence[Where] = ("+sd", "+r"),
    host: str = LOOPBACK,
    nodelay: bool = True,
    timeout: float = 300,
) -> Done:
    """C-STORE of files and folders, each in its own transfer syntax; 0 only if no instance was refused."""
    arguments = ["-aet", calling, "-aec", called, *options, host, str(port), *paths]
    return run("dcmsend", *arguments, nodelay=nodelay, timeout=timeout)


def findscu(
    port: int,
    keys: Sequence[str],
    root: str = "study",
    called: str = "FIONA",
    calling: str = "FINDSCU",
    options: Sequence[Where] = (),
    host: str = LOOPBACK,
    timeout: float = 60,
) -> Done:
    """C-FIND; keys as `QueryRetrieveLevel=STUDY`, `StudyInstanceUID`; root: study, patient or worklist."""
    asked = [part for key in keys for part in ("-k", key)]
    names = ["-aet", calling, "-aec", called]
    return run("findscu", ROOTS[root], *names, *asked, *options, host, str(port), timeout=timeout)


def find_responses(port: int, keys: Sequence[str], root: str = "study", called: str = "FIONA") -> list[Dataset]:
    """The identifiers that a C-FIND brought back; CalledProcessError when findscu failed."""
    with TemporaryDirectory() as folder:
        findscu(port, keys, root, called, options=("-X", "-od", folder)).check_returncode()
        return [dcmread(path, force=True) for path in sorted(Path(folder).iterdir())]


def movescu(
    port: int,
    keys: Sequence[str],
    destination: str,
    root: str = "study",
    called: str = "FIONA",
    calling: str = "MOVESCU",
    options: Sequence[Where] = (),
    host: str = LOOPBACK,
    timeout: float = 120,
) -> Done:
    """C-MOVE to the AE title `destination`, which the peer must know."""
    asked = [part for key in keys for part in ("-k", key)]
    names = ["-aet", calling, "-aec", called, "-aem", destination]
    return run("movescu", ROOTS[root], *names, *asked, *options, host, str(port), timeout=timeout)


def dcmdump(path: Where, *tags: str) -> Done:
    """The dataset as text; with tags (`0010,0020` or keywords) only those, at any depth."""
    return run("dcmdump", *(part for tag in tags for part in ("+P", tag)), path)


class StoreSCP(Server):
    """DCMTK's storescp: files land in `received` as they came, in any transfer syntax."""

    name: ClassVar[str] = "storescp"

    def __init__(
        self, folder: Path, aet: str = "STORESCP", options: Sequence[str] = ("+xa",), nodelay: bool = True
    ) -> None:
        super().__init__(folder)
        self.aet = aet
        self.port = free_port()
        self._options = list(options)
        self._nodelay = nodelay

    @property
    def received(self) -> Path:
        """Where the files land."""
        return self.folder / "received"

    def command(self) -> list[str]:
        program = find("storescp") or "storescp"
        return [program, "-aet", self.aet, "-od", str(self.received), *self._options, str(self.port)]

    def environment(self) -> dict[str, str]:
        return environment(self._nodelay)

    def prepare(self) -> None:
        super().prepare()
        self.received.mkdir(exist_ok=True)

    def ready(self) -> bool:
        return accepts(self.port)

    def files(self) -> list[Path]:
        """What it received so far, sorted."""
        return sorted(self.received.iterdir())
