"""Who a study will be is known before it is sent, and a PatientID is only taken where a pattern asks for it."""

from pathlib import Path

import httpx
import pytest
from pydicom.data import get_testdata_file

from cli.client import Client
from cli.dicom.files import Sendable, look
from cli.failure import Code, Failure
from cli.for_project import Plan


def ct() -> Sendable:
    path = get_testdata_file("CT_small.dcm", download=False)
    found = look(Path(str(path)))
    assert isinstance(found, Sendable)
    return found


def client(pattern: str) -> Client:
    def project(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"participant_pattern": pattern})

    return Client("http://gateway", transport=httpx.MockTransport(project))


def test_the_named_participant() -> None:
    plan = Plan.of(client(".+"), [ct()], "PROJECT", "P1", "baseline")
    assert plan.participants == {ct().study_instance_uid: "P1"}


def test_a_patient_id_that_fits_the_pattern() -> None:
    assert Plan.of(client(r"\dCT\d"), [ct()], "PROJECT", None, "Unknown").participants == {
        ct().study_instance_uid: "1CT1"
    }


@pytest.mark.parametrize("pattern", [".+", ".*", "(?s).{3,}", r"P\d+"])
def test_otherwise_somebody_must_say_who_it_is(pattern: str) -> None:
    with pytest.raises(Failure, match="--participant") as failed:
        Plan.of(client(pattern), [ct()], "PROJECT", None, "Unknown")
    assert failed.value.code is Code.USAGE
    assert "1CT1" not in failed.value.message
