"""A reviewer's day at a real gateway: an ultrasound image released from quarantine, an attribute that goes at last."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import UltrasoundImageStorage, generate_uid

from cli.demo.gateway import Gateway
from tests.components.process import wait_until
from tests.studies import ct_study
from tests.system.terminal import Fiona, gateway_with

PROJECT = "REVIEWED"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    data = tmp_path_factory.mktemp("review") / "store"
    with gateway_with(PROJECT, data, FIONA_ANONYMIZER_WORKERS="1") as made:
        yield made


def transferred(fiona: Fiona, *paths: Path, participant: str) -> Any:
    """Send, assign and wait; the newest transfer."""
    assert fiona("send", *paths, "--project", PROJECT, "--participant", participant) == 0
    fiona("transfers", "--watch")
    found = fiona.json("transfers", "--project", PROJECT)
    return next(each for each in found if each["participant"] == participant)


@pytest.fixture
def fiona(gateway: Gateway, capsys: pytest.CaptureFixture[str]) -> Fiona:
    return Fiona(capsys)


def ultrasound(folder: Path, written: str = "") -> Path:
    """An ultrasound image of somebody who does not exist, with a text in its pixels, if one is given."""
    [path] = ct_study(folder, images=1).files
    dataset = dcmread(path)
    for name in ("KVP", "SliceThickness", "ImagePositionPatient", "ImageOrientationPatient", "FrameOfReferenceUID"):
        delattr(dataset, name)
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = UltrasoundImageStorage
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset.Modality = "US"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 8, 8, 7
    pixels = np.full((240, 480), 40, dtype=np.uint8)
    if written:
        cv2.putText(pixels, written, (20, 60), cv2.FONT_HERSHEY_SIMPLEX, 1.2, 255, 2)
    dataset.Rows, dataset.Columns, dataset.PixelData = *pixels.shape, pixels.tobytes()
    dataset.save_as(path, enforce_file_format=True)
    return path


def arrived(participant: str) -> list[Dataset]:
    """What is in the destination's folder of a participant."""
    folder = Path(os.environ["FIONA_DATA"]) / "outbox" / "research"
    found = [dcmread(path) for path in folder.rglob("*.dcm")]
    return [each for each in found if each.PatientID == participant]


def test_an_ultrasound_image_is_released(fiona: Fiona, tmp_path: Path) -> None:
    path = ultrasound(tmp_path)
    before = transferred(fiona, path, participant="US01")
    assert (before["state"], before["quarantined"], before["profile"]) == ("quarantined", 1, "basic")
    assert len(before["profile_digest"]) == 64
    assert arrived("US01") == []
    [group] = fiona.json("quarantine", "list")
    assert (group["rule"], group["quarantined"], group["of"]) == ("text-in-pixels", 1, 1)
    reason = "nothing is written in it"
    made = fiona.json("quarantine", "release", before["id"], "--all", "--yes", "--reason", reason)
    wait_until(lambda: fiona.json("quarantine", "reviews")[0]["next_transfer"] is not None, 240, "asked for again")
    assert fiona("transfers", "--watch") == 0
    [review] = fiona.json("quarantine", "reviews")
    assert (review["id"], review["reason"], review["next_state"]) == (made["id"], reason, "completed")
    assert fiona.json("transfers", "show", before["id"])["state"] == "completed"
    after = fiona.json("transfers", "show", review["next_transfer"])
    assert (after["review"], after["delivered"], after["counted"]) == (made["id"], 1, 1)
    [image] = arrived("US01")
    assert image.PixelData == dcmread(path).PixelData
    assert "Hansen" not in str(image)
    assert fiona.json("quarantine", "list") == []


def test_an_attribute_goes(fiona: Fiona, tmp_path: Path) -> None:
    transferred(fiona, *ct_study(tmp_path / "one", images=2).files, participant="CT01")
    assert [each.KVP for each in arrived("CT01")] == [120, 120]
    [kvp] = fiona.json("attributes", "list", PROJECT, "--search", "KVP")
    assert (kvp["path"], kvp["values"]) == ("(0018,0060)", [{"value": "120", "count": 2}])
    assert fiona("attributes", "mark", PROJECT, kvp["path"], "--reason", "not needed") == 0
    made = fiona.json("attributes", "accept", PROJECT, "--yes")
    second = transferred(fiona, *ct_study(tmp_path / "two", images=2, patient_id="2").files, participant="CT02")
    assert (second["state"], second["profile_version"]) == ("completed", "1")
    assert second["profile_digest"] == made["digest"]
    assert [("KVP" in each, "SliceThickness" in each) for each in arrived("CT02")] == [(False, True)] * 2
    assert [each.KVP for each in arrived("CT01")] == [120, 120]
    [kvp] = fiona.json("attributes", "list", PROJECT, "--search", "KVP")
    assert kvp["count"] == 2


def test_pixels_are_read_and_shown_to_the_role(fiona: Fiona, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = ultrasound(tmp_path, "HANSEN KARI")
    profile = tmp_path / "profile.yaml"
    profile.write_text("name: reads\nbase: fiona\n")
    assert fiona("profile", "set", PROJECT, profile, "--reason", "pixels are cleaned now") == 0
    transfer = transferred(fiona, path, participant="US02")
    assert (transfer["state"], transfer["profile"], transfer["quarantined"]) == ("completed", "reads", 0)
    [image] = arrived("US02")
    assert image.PixelData != dcmread(path).PixelData
    [found] = fiona.json("pixels", transfer["id"])
    assert (found["sop_instance_uid"], found["read"], found["changed"]) == (image.SOPInstanceUID, 1, 1)
    assert fiona("pixels", transfer["id"], "--save", tmp_path / "look") == 0
    said = (tmp_path / "look" / f"{image.SOPInstanceUID}.texts.json").read_text()
    assert "HANSEN" in said.upper()
    assert (tmp_path / "look" / f"{image.SOPInstanceUID}.before.png").read_bytes().startswith(b"\x89PNG")
    monkeypatch.delenv("FIONA_TOKEN")
    assert fiona("pixels", transfer["id"], "--save", tmp_path / "other") == 6
    assert "fiona login" in fiona.err
