"""Which contexts are proposed, and which of the accepted ones a file takes."""

from pathlib import Path

from pydicom import uid

from services.sender.clients.contexts import MOST, choose, groups, propose
from services.sender.clients.protocol import Outgoing

CTImageStorage, MRImageStorage = str(uid.CTImageStorage), str(uid.MRImageStorage)
ExplicitVRLittleEndian, ImplicitVRLittleEndian = str(uid.ExplicitVRLittleEndian), str(uid.ImplicitVRLittleEndian)
JPEG2000Lossless, RLELossless = str(uid.JPEG2000Lossless), str(uid.RLELossless)


def of(sop_class: str, transfer_syntax: str) -> Outgoing:
    return Outgoing(Path("x"), "1", "2", "3", sop_class, transfer_syntax, 1)


def test_each_pair_has_its_own_context_and_each_class_one_to_fall_back_to() -> None:
    files = [
        of(CTImageStorage, JPEG2000Lossless),
        of(CTImageStorage, JPEG2000Lossless),
        of(CTImageStorage, RLELossless),
        of(MRImageStorage, ExplicitVRLittleEndian),
    ]
    contexts = propose(files)
    assert [(c.abstract_syntax, [str(t) for t in c.transfer_syntax]) for c in contexts] == [
        (CTImageStorage, [JPEG2000Lossless]),
        (CTImageStorage, [RLELossless]),
        (CTImageStorage, [ExplicitVRLittleEndian, ImplicitVRLittleEndian]),
        (MRImageStorage, [ExplicitVRLittleEndian]),
        (MRImageStorage, [ImplicitVRLittleEndian]),
    ]
    assert [c.context_id for c in contexts] == [1, 3, 5, 7, 9]


def test_more_than_128_contexts_become_more_associations() -> None:
    files = [of(f"1.2.3.{number}", RLELossless) for number in range(200)]
    split = groups(files)
    assert [len(group) for group in split] == [64, 64, 64, 8]
    assert [file for group in split for file in group] == files
    assert all(len(propose(group)) <= MOST for group in split)


def test_a_class_is_never_divided() -> None:
    files = [of(CTImageStorage, f"1.2.{number % 100}") for number in range(300)] + [
        of(MRImageStorage, f"1.2.{number % 100}") for number in range(300)
    ]
    split = groups(files)
    assert [{file.sop_class_uid for file in group} for group in split] == [{CTImageStorage}, {MRImageStorage}]


def test_a_file_goes_as_it_is_if_it_can() -> None:
    accepted = {(CTImageStorage, RLELossless): 3, (CTImageStorage, ExplicitVRLittleEndian): 5}
    assert choose(accepted, CTImageStorage, RLELossless) == (3, RLELossless)


def test_else_uncompressed_explicit_before_implicit() -> None:
    explicit, implicit = ExplicitVRLittleEndian, ImplicitVRLittleEndian
    both = {(CTImageStorage, implicit): 3, (CTImageStorage, explicit): 5}
    assert choose(both, CTImageStorage, RLELossless) == (5, explicit)
    assert choose({(CTImageStorage, implicit): 3}, CTImageStorage, RLELossless) == (3, implicit)


def test_else_not_at_all() -> None:
    assert choose({(MRImageStorage, RLELossless): 1}, CTImageStorage, RLELossless) is None
