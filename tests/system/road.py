"""The main road, driven from outside: C-STORE, assigned, de-identified, in the research PACS."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.components import dcmtk
from tests.components.process import wait_until
from tests.studies import PATIENT_ID, PATIENT_NAME, ct_study
from tests.system import rest


@dataclass(frozen=True)
class Road:
    """Where a gateway's ends are, as its modalities, its people and its research PACS see them."""

    dicom_port: int
    api: str
    token: str
    orthanc: str
    orthanc_password: str
    orthanc_host: str = "orthanc"

    def call(self, method: str, path: str, **arguments: Any) -> Any:
        """A REST call; waits for what is just starting."""
        return rest.call(self.api, self.token, method, path, wait=240, **arguments)

    def drive(self, folder: Path, images: int = 3) -> None:
        """Send a study down the road; AssertionError unless it arrives whole and without its patient."""
        research = {"host": self.orthanc_host, "port": 4242, "called_aet": "RESEARCH", "calling_aet": "FIONA"}
        self.call("POST", "/destinations", json={"name": "research", "kind": "dicom", "config": research})
        self.call("POST", "/projects", json={"name": "DEMO_STUDY", "destinations": ["research"]})
        study = ct_study(folder, images=images)
        self._sent(folder)
        wait_until(lambda: study.study_instance_uid in self._studies(), 240, "the study in the catalogue", every=0.3)
        body = {"project": "DEMO_STUDY", "participant": "DEMO001"}
        self.call("POST", f"/studies/{study.study_instance_uid}/assignments", json=body)
        wait_until(self._over, 300, "the end of the transfer", every=0.5)
        (transfer,) = self.call("GET", "/transfers")["items"]
        assert (transfer["state"], transfer["instances"]) == ("completed", images), transfer
        self._arrived(images)

    def _sent(self, folder: Path) -> None:
        """As a modality does: again, until all of it is taken."""
        wait_until(
            lambda: dcmtk.dcmsend(self.dicom_port, folder, calling="CT1").returncode == 0, 240, "the receiver", every=1
        )

    def _studies(self) -> set[str]:
        return {item["study_instance_uid"] for item in self.call("GET", "/studies")["items"]}

    def _over(self) -> bool:
        items = self.call("GET", "/transfers")["items"]
        return bool(items) and all(item["state"] in rest.OVER for item in items)

    def _arrived(self, images: int) -> None:
        with httpx.Client(base_url=self.orthanc, auth=("fiona", self.orthanc_password), timeout=120) as pacs:
            counts = pacs.get("/statistics").json()
            assert (counts["CountPatients"], counts["CountInstances"]) == (1, images)
            instance = pacs.get("/instances").json()[0]
            tags = pacs.get(f"/instances/{instance}/simplified-tags").text
        assert "DEMO001" in tags
        assert PATIENT_ID not in tags
        assert PATIENT_NAME.split("^")[0] not in tags
