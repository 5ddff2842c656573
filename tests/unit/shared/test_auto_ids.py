"""Names that a project makes up: what a pattern says, what is wrong with one, and check characters by the Standard."""

import pytest

from shared.registry.auto_ids import BadPattern, parse, problem
from shared.registry.check_characters import DIGITS, LETTERS_AND_DIGITS, check_character


@pytest.mark.parametrize(
    ("text", "alphabet", "character"),
    [
        ("A1-2425G-ABC1234002-", LETTERS_AND_DIGITS, "M"),  # the example of GRid, which uses MOD 37,36
        ("a12425gabc1234002", LETTERS_AND_DIGITS, "M"),
        ("0794", DIGITS, "5"),  # the Standard's own example of MOD 11,10
    ],
)
def test_check_characters_of_published_examples(text: str, alphabet: str, character: str) -> None:
    assert check_character(text, alphabet) == character


def test_every_slip_of_one_character_and_nearly_every_swap_is_noticed() -> None:
    text = "ABCD0017Z9"
    right = check_character(text, LETTERS_AND_DIGITS)
    for at in range(len(text)):
        for other in set(LETTERS_AND_DIGITS) - {text[at]}:
            assert check_character(text[:at] + other + text[at + 1 :], LETTERS_AND_DIGITS) != right
        swapped = text[:at] + text[at + 1 : at + 2] + text[at] + text[at + 2 :]
        assert swapped == text or check_character(swapped, LETTERS_AND_DIGITS) != right


def first(alphabet: str) -> str:
    return alphabet[0]


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("{project}-{site:2}-{n:4}", "ABCDE-No-0017"),
        ("{site:8}{n}", "000North17"),
        ("{site}.{n:2}", "North.17"),
        ("P{digits:3}{letters:2}{mixed:2}", "P000AAAA"),
        ("{n:4}{check:10}", "0017" + check_character("0017", DIGITS)),
        ("{project} {n:4}{check}", "ABCDE 0017" + check_character("ABCDE0017", LETTERS_AND_DIGITS)),
    ],
)
def test_what_a_pattern_makes(pattern: str, name: str) -> None:
    assert parse(pattern).render("ABCDE", "North", 17, first) == name


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("", "everybody alike"),
        ("{project}-{site:2}", "everybody alike"),
        ("{n:4}{n:2}", "twice"),
        ("{check}{n:4}", "put it last"),
        ("{n:4}{check:3}", "no other"),
        ("{n:13}", "1 to 12"),
        ("{n:0}", "1 to 12"),
        ("{name}{n}", "no field {name}"),
        ("{project:3}{n}", "no width"),
        ("{n:4", "no field"),
        ("{n:4}\\", "no field"),
        ("{N:4}", "no field"),
    ],
)
def test_what_is_wrong_with_a_pattern(pattern: str, why: str) -> None:
    with pytest.raises(BadPattern, match=why):
        parse(pattern)


@pytest.mark.parametrize(
    ("pattern", "expression", "why"),
    [
        ("{project}-{n:4}", r"ABCDE-\d{4}", None),
        ("{project}-{n:4}{check:10}", r"ABCDE-\d{5}", None),
        ("{project}-{n:4}{check}", r"ABCDE-\d{5}", "does not fit"),
        ("{project}-{site:2}{n:4}", r"ABCDE-\d{6}", None),
        ("{project}-{site:2}{n:4}", r"ABCDE-\d{5}", "does not fit"),
        ("{project}-{n:4}", r"ABCDE-0\d{3}", "does not fit"),
        ("{mixed:16}{mixed:16}{mixed:16}{mixed:16}x{n}", ".+", "more than 64"),
        (" {n:4}", ".+", "space"),
        ("{oh}", ".+", "no field"),
    ],
)
def test_a_project_takes_only_a_pattern_whose_names_it_would_take(
    pattern: str, expression: str, why: str | None
) -> None:
    said = problem(pattern, "ABCDE", expression)
    assert said is None if why is None else why in (said or "")
