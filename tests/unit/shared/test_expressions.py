"""Regular expressions of people: whole or anywhere, in linear time, refused in words."""

import pytest

from shared.registry.expressions import fits, found, problem


def test_whole_and_anywhere() -> None:
    assert fits(r"ABCD-\d{4}|X", "ABCD-0017")
    assert not fits(r"ABCD-\d{4}|X", "ABCD-00171"), "an alternative does not open the end"
    assert not fits("P1", "P1\n")
    assert fits("[A-ZÆØÅ]+", "BLÅBÆR")
    assert found("brain", "MR brain t1")
    assert not found("^brain", "MR brain t1")


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        (r"[A-Z]{2}\d+", None),
        ("(?=a)b", "look-around"),
        (r"(a)\1", "backreferences"),
        ("a{1000}{1000}", "too much"),
        ("a)(b", "group"),
        ("[", "class"),
        ("(" * 1000, "group"),
    ],
)
def test_what_is_wrong_is_said_in_words(expression: str, why: str | None) -> None:
    said = problem(expression)
    assert said is None if why is None else why in (said or "")
    if why is not None:
        assert not fits(expression, "a"), "what cannot be used fits nothing"


def test_an_expression_that_explodes_elsewhere_is_answered() -> None:
    assert not fits("(a+)+b", "a" * 100_000)
    assert not fits("(a|aa)*b", "a" * 100_000)
