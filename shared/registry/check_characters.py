"""Check characters by the hybrid systems of ISO/IEC 7064: a slip of one character, or two swapped, is noticed."""

import string

DIGITS = string.digits
LETTERS_AND_DIGITS = string.digits + string.ascii_uppercase
"""The alphabets of MOD 11,10 and MOD 37,36, in the order of the Standard's values."""


def check_character(text: str, alphabet: str) -> str:
    """The character that is to follow; small letters count as capitals, what is not in the alphabet is passed over."""
    size = len(alphabet)
    product = size
    for character in text.upper():
        if character in alphabet:
            rest = (product + alphabet.index(character)) % size or size
            product = 2 * rest % (size + 1)
    return alphabet[(size + 1 - product) % size]
