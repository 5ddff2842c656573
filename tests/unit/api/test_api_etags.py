"""What an entity tag covers, and what If-Match and If-None-Match make of it."""

import pytest
from pydantic import BaseModel

from services.api.etags import demand, matches, same, tag_of
from services.api.problems import Problem


class Thing(BaseModel):
    name: str = "x"


class Counted(Thing):
    count: int = 0


def test_a_tag_is_of_the_content() -> None:
    assert tag_of(Thing()) == tag_of(Thing())
    assert tag_of(Thing()) != tag_of(Thing(name="y"))


def test_what_changes_by_itself_is_shown_by_the_tag_and_hinders_nobody_who_edits() -> None:
    before, after = (tag_of(Thing(), Counted(count=number)) for number in (1, 2))
    assert before != after
    assert not same(before, after)
    assert matches(before, after)
    assert matches(tag_of(Thing()), after)
    assert not matches(tag_of(Thing(name="y")), after)


@pytest.mark.parametrize("header", ["*", " * ", '"a"', '"b", "a"', '"b","a"', '"a.b"', 'W/"b", "a"'])
def test_if_match_names_it(header: str) -> None:
    assert matches(header, '"a"')


@pytest.mark.parametrize("header", ["", "a", '"b"', 'W/"a"', '"a', "*, x", '"*"', '""'])
def test_if_match_names_another(header: str) -> None:
    assert not matches(header, '"a"')
    with pytest.raises(Problem, match="changed-meanwhile"):
        demand(header, '"a"')


def test_if_none_match_is_weak() -> None:
    assert same('W/"a.b"', '"a.b"')
    assert same('"x", "a.b"', '"a.b"')
    assert not same('"a"', '"a.b"')


def test_a_change_must_say_of_what() -> None:
    with pytest.raises(Problem, match="version-required"):
        demand(None, '"a"')
