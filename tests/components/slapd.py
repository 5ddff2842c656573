"""OpenLDAP of one's own: a directory in a folder, on loopback, plain and over TLS."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from tests.components.process import LOOPBACK, ComponentError, accepts, free_port
from tests.components.programs import absent, find
from tests.components.server import Server

SCHEMAS = Path("/etc/ldap/schema")
SUFFIX = "dc=example,dc=org"
ADMIN, PASSWORD = f"cn=admin,{SUFFIX}", "the directory's own"

CONFIGURATION = """
include {schemas}/core.schema
include {schemas}/cosine.schema
include {schemas}/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload memberof
pidfile {folder}/slapd.pid
argsfile {folder}/slapd.args
# As lenient as a directory may be: a bind without a password succeeds, as nobody.
allow bind_anon_dn bind_anon_cred
{tls}
database mdb
suffix "{suffix}"
rootdn "{admin}"
rootpw "{password}"
directory {folder}/data
overlay memberof
access to attrs=userPassword by anonymous auth by * none
access to * by users read by * none
"""


def missing() -> list[str]:
    """What it needs and this machine has not."""
    return [*absent("slapd", "slapadd", "setpriv"), *([] if SCHEMAS.exists() else [str(SCHEMAS)])]


class Slapd(Server):
    """A directory `dc=example,dc=org`; with `certificate` and `key` (PEM) it speaks TLS, too."""

    name: ClassVar[str] = "slapd"

    def __init__(self, folder: Path, certificate: Path | None = None, key: Path | None = None) -> None:
        super().__init__(folder)
        self.port, self.tls_port = free_port(), free_port()
        self._tls = f"TLSCertificateFile {certificate}\nTLSCertificateKeyFile {key}" if certificate else ""

    @property
    def url(self) -> str:
        """Without TLS, until it is started."""
        return f"ldap://localhost:{self.port}"

    @property
    def tls_url(self) -> str:
        """With TLS from the beginning."""
        return f"ldaps://localhost:{self.tls_port}"

    def command(self) -> list[str]:
        addresses = f"ldap://{LOOPBACK}:{self.port}" + (f" ldaps://{LOOPBACK}:{self.tls_port}" if self._tls else "")
        return [str(find("slapd")), "-f", str(self._file), "-h", addresses, "-d", "0"]

    def prepare(self) -> None:
        super().prepare()
        (self.folder / "data").mkdir(exist_ok=True)
        values = {"schemas": SCHEMAS, "folder": self.folder, "suffix": SUFFIX, "admin": ADMIN, "password": PASSWORD}
        self._file.write_text(CONFIGURATION.format(tls=self._tls, **values))

    def ready(self) -> bool:
        return accepts(self.port)

    def load(self, entries: Mapping[str, Mapping[str, Sequence[str]]]) -> None:
        """Entries by DN, the upper ones first; while it does not run."""
        self.prepare()
        lines = []
        for name, attributes in entries.items():
            lines.append(f"dn: {name}")
            lines += [f"{attribute}: {value}" for attribute, values in attributes.items() for value in values]
            lines.append("")
        done = subprocess.run(
            [str(find("slapadd")), "-f", str(self._file)],
            input="\n".join(lines),
            capture_output=True,
            text=True,
            env=dict(os.environ),
            check=False,
        )
        if done.returncode:
            raise ComponentError(f"slapadd: {done.stderr.strip()}")

    @property
    def _file(self) -> Path:
        return self.folder / "slapd.conf"
