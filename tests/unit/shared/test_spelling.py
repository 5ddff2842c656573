"""Naming patterns for people: words, and an example that fits."""

import pytest

from shared.registry.expressions import fits
from shared.registry.spelling import example, explained, in_words


@pytest.mark.parametrize(
    ("expression", "words", "such"),
    [
        (r"ABCD-\d{4}", '"ABCD-", then 4 digits', "ABCD-0001"),
        (r"8DISC[0-9][0-9][0-9]", '"8DISC", then a digit, then a digit, then a digit', "8DISC111"),
        (r"[A-Z]{2}-[1-9]\d{1,3}", '2 capital letters, then "-", then one of 1 to 9', None),
        (r"(P|Q)\d+", 'one of "P" or "Q", then 1 or more digits', "P1"),
        (r"(AB|CD)\d+", 'either "AB" or "CD", then', "AB1"),
        (r"^S[a-z]?$", '"S", then perhaps a small letter', "S"),
        (r".+", "1 or more characters", "1"),
        (r".*", "any number of characters", "1"),
        (r"(A\d){2}", '2 ("A", then a digit)', "A1A1"),
        (r"[^0-9]{3}", None, None),
        (r"\p{Lu}\d", None, None),
        (r"[æøå]{2}", '2 of "æ" or "ø" or "å"', "ææ"),
        (r"Ж{2}", '2 "Ж"', "ЖЖ"),
        (r"(a{60}){60}", None, None),
        (r"\w{3}\s\D", None, None),
    ],
)
def test_in_words_and_by_example(expression: str, words: str | None, such: str | None) -> None:
    said, made = in_words(expression), example(expression)
    assert words is None or words in (said or "")
    assert such is None or made == such
    assert made is None or fits(expression, made), "an example always fits"


def test_what_a_person_is_told() -> None:
    assert explained(r"ABCD-\d{4}") == r'a name is "ABCD-", then 4 digits (ABCD-\d{4}), for example ABCD-0001'
    assert explained(r"\p{Lu}\d") == r"the whole name has to fit \p{Lu}\d"


def test_hostile_expressions_have_an_end() -> None:
    for expression in ("(" * 90 + "a" + ")" * 90, "(a{99}){99}", "((a?){50}){50}", "[" * 50, "a" * 200):
        assert example(expression) is None or len(example(expression) or "") <= 64
        in_words(expression)
