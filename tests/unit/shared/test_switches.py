"""What is switched off is a file in the store: whoever can read that knows, and nobody else need be there."""

import pytest

from shared.store import Store
from shared.switchable import Switch
from shared.switches import Off, Switches


@pytest.fixture
def switches(store: Store) -> Switches:
    return Switches(store, fresh=0)


def test_all_is_on_until_somebody_says_otherwise(switches: Switches) -> None:
    assert all(switches.is_on(each) for each in Switch)
    assert set(switches.all().values()) == {None}


def test_off_and_on_again(switches: Switches, store: Store) -> None:
    switches.turn_off(Switch.SEND, "the PACS moves", "k.olsen")
    assert not switches.is_on(Switch.SEND)
    assert switches.is_on(Switch.RECEIVE)
    off = Switches(store).all()[Switch.SEND]
    assert off is not None
    assert (off.reason, off.who, len(off.since)) == ("the PACS moves", "k.olsen", 25)
    for _ in range(2):
        switches.turn_on(Switch.SEND)
        assert switches.is_on(Switch.SEND)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"reason": "x", "else": 1}'])
def test_a_file_made_by_hand_counts_whatever_is_in_it(switches: Switches, store: Store, content: str) -> None:
    store.write("switches/receive.off", content.encode())
    assert not switches.is_on(Switch.RECEIVE)
    assert switches.all()[Switch.RECEIVE] in (Off(), Off("x"))


def test_a_disk_that_cannot_be_read_has_no_say(switches: Switches, store: Store) -> None:
    switches.turn_off(Switch.SEND, "x", "")
    assert not switches.is_on(Switch.SEND)
    (store / "switches").rename(store / "elsewhere")
    (store / "switches").write_text("not a folder")
    assert not switches.is_on(Switch.SEND)
    assert switches.is_on(Switch.RECEIVE)


def test_an_answer_holds_for_a_moment(store: Store) -> None:
    switches = Switches(store, fresh=60)
    assert switches.is_on(Switch.RECEIVE)
    store.write("switches/receive.off", b"")
    assert switches.is_on(Switch.RECEIVE)
