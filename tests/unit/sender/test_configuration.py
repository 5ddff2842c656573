"""What a person may say about a destination, and what the sender takes from the anonymizer."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from shared.destinations import (
    DicomDestination,
    FolderDestination,
    parse_destination,
)
from shared.destinations.echo import EchoFailed, echo
from shared.manifest import Manifest, ManifestError, ManifestInstance, read_manifest, write_manifest
from shared.store import Store


def test_the_kind_decides() -> None:
    config = parse_destination("dicom", {"host": "pacs", "port": 104, "called_aet": " RESEARCH "})
    assert isinstance(config, DicomDestination)
    assert (config.called_aet, config.calling_aet, config.associations) == ("RESEARCH", "FIONA", 2)


@pytest.mark.parametrize(
    ("kind", "config"),
    [
        ("ftp", {}),
        ("dicom", {"host": "pacs", "port": 104}),
        ("dicom", {"host": "pacs", "port": 104, "called_aet": "SEVENTEEN_LETTERS"}),
        ("dicom", {"host": "pacs", "port": 104, "called_aet": "A\\B"}),
        ("dicom", {"host": "pacs", "port": 0, "called_aet": "A"}),
        ("dicomweb", {"url": "ftp://pacs"}),
        ("dicomweb", {"url": "https://user:secret@pacs"}),
        ("dicomweb", {"url": "https://pacs", "password": "secret"}),
        ("dicomweb", {"url": "https://pacs", "username": "u"}),
        ("dicomweb", {"url": "https://pacs", "username": "u", "password_file": "p", "token_file": "t"}),
        ("folder", {"folder": "../../etc"}),
    ],
)
def test_nonsense_is_refused(kind: str, config: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        parse_destination(kind, config)


def test_folders() -> None:
    data = Path("/data")
    assert FolderDestination().root("x", data) == Path("/data/outbox/x")
    assert FolderDestination(folder=Path("y/z")).root("x", data) == Path("/data/y/z")
    assert FolderDestination(folder=Path("/mnt/z")).root("x", data) == Path("/mnt/z")


async def test_a_folder_echoes_if_it_can_be_written(tmp_path: Path) -> None:
    await echo("x", FolderDestination(), tmp_path)
    assert list((tmp_path / "outbox" / "x").iterdir()) == []
    (tmp_path / "file").write_text("")
    with pytest.raises(EchoFailed):
        await echo("x", FolderDestination(folder=Path("file")), tmp_path)


async def test_nobody_there_does_not_echo(tmp_path: Path) -> None:
    for config in (
        DicomDestination(host="127.0.0.1", port=1, called_aet="A", timeout=2),
        parse_destination("dicomweb", {"url": "http://127.0.0.1:1", "timeout": 2}),
    ):
        with pytest.raises(EchoFailed):
            await echo("x", config, tmp_path)


def instance(uid: str = "1.2.3") -> ManifestInstance:
    return ManifestInstance(
        path="anonymized/a.dcm",
        sop_instance_uid=uid,
        sop_class_uid="1.2",
        transfer_syntax_uid="1.2",
        size=1,
    )


def test_a_manifest_is_read_as_it_was_written(store: Store) -> None:
    manifest = Manifest(study_instance_uid="1.2", series_instance_uid="1.3", instances=(instance(),))
    write_manifest(store, "anonymized/m.json", manifest)
    assert read_manifest(store, "anonymized/m.json") == manifest


def test_a_uid_that_is_a_path_is_no_uid() -> None:
    with pytest.raises(ValidationError):
        instance("../../x")


def test_a_manifest_names_each_instance_once() -> None:
    with pytest.raises(ValidationError):
        Manifest(study_instance_uid="1.2", series_instance_uid="1.3", instances=(instance(), instance()))


def test_a_manifest_that_is_none(store: Store) -> None:
    with pytest.raises(ManifestError):
        read_manifest(store, "anonymized/none.json")
    store.write("anonymized/m.json", b'{"study_instance_uid": "Doe^Jane"}')
    with pytest.raises(ManifestError) as caught:
        read_manifest(store, "anonymized/m.json")
    assert "Doe" not in str(caught.value)
