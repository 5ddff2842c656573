"""What a series repeats is recognised, and never taken for what it is not."""

import os
import random
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from deidentification import BASIC, CannotDeidentify, Deidentified, Option, Profile, deidentify, deidentify_all
from deidentification.dataset import rewrite
from deidentification.dataset.memory import LIMIT, Effects, Memory, Piece
from tests.unit.deidentification.builders import SUBJECT, Bench, ct, encoded
from tests.unit.deidentification.test_content_reports import code, content, item

SAFE = Profile(name="safe", options=frozenset((Option.MODIFIED_DATES, Option.SAFE_PRIVATE, Option.DESCRIPTORS)))


def varied(number: int, chance: random.Random) -> Dataset:
    """An object of a series in which patients, texts, codes, private creators and elements change at random."""
    words = ("Thorax", "Abdomen", "Nordmann", "Hansen")
    frame = item(
        AnatomicRegionSequence=code("39607008", chance.choice(words), chance.choice(("99HERE", "99THERE"))),
        ReferencedImageSequence=Sequence([item(ReferencedSOPInstanceUID=f"1.2.3.{chance.randrange(3)}")]),
    )
    data = ct(
        SOPInstanceUID=f"1.2.826.0.19700203.3.{number}",
        PatientName=chance.choice(("Nordmann^Kari", "Hansen^Ola")),
        SpecificCharacterSet=chance.choice(("ISO_IR 100", "ISO_IR 192")),
        SeriesDescription=f"{chance.choice(words)} {chance.choice(words)}",
        InstanceNumber=str(chance.randrange(3)),
        ImagePositionPatient=[1.5, 2.5, chance.randrange(3)],
        SharedFunctionalGroupsSequence=Sequence([frame]),
        PerFrameFunctionalGroupsSequence=Sequence([frame, frame]),
        StudyDate=chance.choice(("20240311", "20240312")),
    )
    if chance.random() < 0.5:
        data.KVP = "120"
    if chance.random() < 0.5:
        creator = chance.choice(("Philips PET Private Group", "Somebody Else"))
        data.private_block(0x7053, creator, create=True).add_new(0x00, "DS", "0.5")
    return data


@pytest.mark.parametrize("profile", [BASIC, SAFE], ids=lambda profile: profile.name)
@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian], ids=lambda syntax: syntax.name)
def test_a_series_becomes_what_its_files_become_one_by_one(tmp_path: Path, profile: Profile, syntax: UID) -> None:
    chance = random.Random(20240311)
    paths = []
    for number in range(60):
        paths.append(tmp_path / f"{number}.dcm")
        paths[-1].write_bytes(encoded(varied(number, chance), syntax))
    together = list(deidentify_all(paths, tmp_path / "together", SUBJECT, profile))
    for path, outcome in zip(paths, together, strict=True):
        assert isinstance(outcome, Deidentified)
        alone = deidentify(path, tmp_path / "alone", SUBJECT, profile)
        written = (tmp_path / "together" / outcome.path).read_bytes()
        assert written == (tmp_path / "alone" / alone.path).read_bytes()
        assert outcome.actions == alone.actions
        assert outcome.elements == alone.elements
        assert b"".join(chunk for _, chunk in outcome.elements) in written


def test_another_patients_name_is_cleaned_from_the_same_text(bench: Bench) -> None:
    paths = []
    for number, name in enumerate(("Nordmann^Kari", "Thorax^Ola", "Nordmann^Kari")):
        paths.append(bench.folder / f"{number}.dcm")
        data = ct(SOPInstanceUID=f"1.2.3.{number}", PatientName=name, SeriesDescription="Thorax axial")
        paths[-1].write_bytes(encoded(data))
    outcomes = list(deidentify_all(paths, bench.out, SUBJECT, SAFE))
    found = [
        dict(outcome.elements).get(0x0008103E, b"")[8:].rstrip()
        for outcome in outcomes
        if isinstance(outcome, Deidentified)
    ]
    assert found[0] == found[2] == b"Thorax axial"
    assert b"Thorax" not in found[1]


def test_memory_is_bounded() -> None:
    memory = Memory()
    for number in range(600):
        raw = os.urandom(8) + bytes(16 * 1024 - 8)
        memory.remember(Piece(raw, number, number, (), Effects(), ()))
    assert memory.size <= LIMIT
    assert sum(piece.size for pieces in memory.pieces.values() for piece in pieces) <= LIMIT
    same = Memory()
    for number in range(100):
        same.remember(Piece(b"abcd%d" % number, 1, 1, (), Effects(), ()))
    assert len(same.pieces[b"abcd"]) <= 6


def test_more_items_or_identities_than_any_object_has_are_refused(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = [item(FrameAcquisitionDateTime=f"20240311{10 + number // 60}{number % 60:02}00") for number in range(200)]
    content = encoded(ct(PerFrameFunctionalGroupsSequence=Sequence(frames)))
    assert len(bench.read(content).PerFrameFunctionalGroupsSequence) == 200
    for bound in ("MOST_ITEMS", "MOST_IDENTIFYING"):
        with monkeypatch.context() as patch:
            patch.setattr(rewrite, bound, 150)
            with pytest.raises(CannotDeidentify, match="too-many-items"):
                bench.written(content)


def test_content_items_in_another_sequence_are_numbered_alike_alone_and_in_a_series(tmp_path: Path) -> None:
    profile = Profile(name="sr", options=SAFE.options | {Option.STRUCTURED_CONTENT})
    tree = (
        content("TEXT", "121009", TextValue="head"),
        content("TEXT", "121106", TextValue="head"),
        content("TEXT", "121106", TextValue="head", ReferencedContentItemIdentifier=[1, 2]),
    )
    data = ct(AcquisitionContextSequence=Sequence([item(ContentSequence=Sequence(tree))]))
    paths = []
    for number in range(4):
        data.SOPInstanceUID = f"1.2.826.0.19700203.3.{number}"
        paths.append(tmp_path / f"{number}.dcm")
        paths[-1].write_bytes(encoded(data))
    for path, outcome in zip(paths, deidentify_all(paths, tmp_path / "together", SUBJECT, profile), strict=True):
        assert isinstance(outcome, Deidentified)
        alone = deidentify(path, tmp_path / "alone", SUBJECT, profile)
        written = tmp_path / "together" / outcome.path
        assert written.read_bytes() == (tmp_path / "alone" / alone.path).read_bytes()
        left = dcmread(written).AcquisitionContextSequence[0].ContentSequence
        assert [each.get("ReferencedContentItemIdentifier") for each in left] == [None, [1, 1]]


def test_the_bounds_hold_for_what_is_remembered_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frames = {
        keyword: Sequence([item(ReferencedSOPInstanceUID=f"1.2.3.{number}") for number in range(30)])
        for keyword in ("ReferencedImageSequence", "SourceImageSequence")
    }
    paths = []
    for number in range(3):
        paths.append(tmp_path / f"{number}.dcm")
        paths[-1].write_bytes(encoded(ct(SOPInstanceUID=f"1.2.3.4.{number}", **frames)))
    monkeypatch.setattr(rewrite, "MOST_ITEMS", 50)
    outcomes = list(deidentify_all(paths, tmp_path / "out", SUBJECT, BASIC))
    assert [getattr(outcome, "rule", None) for outcome in outcomes] == ["too-many-items"] * 3
