"""Orthanc with DICOMweb, as research PACS or as clinical PACS."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import httpx

from tests.components import plain
from tests.components.process import LOOPBACK, free_port
from tests.components.programs import absent, find
from tests.components.server import Server

PLUGINS = Path("/usr/share/orthanc/plugins")


def _dicomweb() -> Path | None:
    return next(iter(sorted(PLUGINS.glob("libOrthancDicomWeb.so*"))), None)


def missing() -> list[str]:
    """What it needs and this machine has not."""
    plugin = [] if _dicomweb() else [str(PLUGINS / "libOrthancDicomWeb.so")]
    return [*absent("Orthanc", "setpriv"), *plugin]


class Orthanc(Server):
    """A PACS that takes whatever is sent to it, by DIMSE, DICOMweb and REST.

    `modalities` maps a symbolic name to (AE title, host, port): the peers it may send to and move to.
    `lua` holds scripts to load; `extra` overrides any key of its configuration.
    """

    name: ClassVar[str] = "orthanc"

    def __init__(
        self,
        folder: Path,
        aet: str = "RESEARCH",
        modalities: Mapping[str, tuple[str, str, int]] | None = None,
        overwrite: bool = False,
        lua: Sequence[Path] = (),
        extra: Mapping[str, Any] | None = None,
        nodelay: bool = True,
    ) -> None:
        super().__init__(folder)
        self.aet = aet
        self.dicom_port, self.http_port = free_port(), free_port()
        self.modalities = dict(modalities or {})
        self._overwrite = overwrite
        self._lua = [str(script.resolve()) for script in lua]
        self._extra = dict(extra or {})
        self._nodelay = nodelay

    @property
    def http_url(self) -> str:
        """The REST API's root."""
        return f"http://{LOOPBACK}:{self.http_port}"

    @property
    def dicomweb_url(self) -> str:
        """The root for QIDO, WADO and STOW."""
        return f"{self.http_url}/dicom-web"

    def command(self) -> list[str]:
        return [find("Orthanc") or "Orthanc", str(self.folder / "orthanc.json")]

    def environment(self) -> dict[str, str]:
        return dict(os.environ) | ({"TCP_NODELAY": "1"} if self._nodelay else {})

    def configuration(self) -> dict[str, Any]:
        """orthanc.json."""
        return {
            "Name": self.aet,
            "StorageDirectory": str(self.folder / "storage"),
            "IndexDirectory": str(self.folder / "storage"),
            "Plugins": [str(_dicomweb())],
            "DicomWeb": {"Enable": True, "Root": "/dicom-web/", "EnableWado": False},
            "HttpPort": self.http_port,
            "RemoteAccessAllowed": False,
            "AuthenticationEnabled": False,
            "DicomAet": self.aet,
            "DicomPort": self.dicom_port,
            "DicomCheckCalledAet": False,
            "DicomAlwaysAllowEcho": True,
            "DicomAlwaysAllowStore": True,
            "DicomAlwaysAllowFind": True,
            "DicomAlwaysAllowGet": True,
            "DicomAlwaysAllowMove": True,
            "UnknownSopClassAccepted": True,
            "OverwriteInstances": self._overwrite,
            "DicomModalities": {name: list(peer) for name, peer in self.modalities.items()},
            "LuaScripts": self._lua,
            **self._extra,
        }

    def prepare(self) -> None:
        super().prepare()
        (self.folder / "storage").mkdir(exist_ok=True)
        (self.folder / "orthanc.json").write_text(json.dumps(self.configuration(), indent=2))

    def ready(self) -> bool:
        try:
            return self.api("GET", "/system").is_success
        except httpx.TransportError:
            return False

    def api(self, method: str, path: str, body: Any = None, **options: Any) -> httpx.Response:
        """One REST request; `path` from the root, `/dicom-web/…` included."""
        return plain.request(method, self.http_url + path, json=body, timeout=120, **options)

    def count(self) -> int:
        """Instances held."""
        return int(self.api("GET", "/statistics").raise_for_status().json()["CountInstances"])

    def instances(self) -> list[str]:
        """The SOPInstanceUID of every instance held, sorted: one that is held twice is listed twice."""
        answer = self.api("GET", "/instances?expand").raise_for_status().json()
        return sorted(instance["MainDicomTags"]["SOPInstanceUID"] for instance in answer)

    def dicom(self, sop_instance_uid: str) -> bytes:
        """The stored file (Part 10) of one instance; LookupError when it is not held."""
        found = self.api("POST", "/tools/lookup", content=sop_instance_uid).raise_for_status().json()
        for each in found:
            if each["Type"] == "Instance":
                return self.api("GET", f"/instances/{each['ID']}/file").raise_for_status().content
        raise LookupError(sop_instance_uid)

    def clear(self) -> None:
        """Delete every patient."""
        for patient in self.api("GET", "/patients").raise_for_status().json():
            self.api("DELETE", f"/patients/{patient}").raise_for_status()
