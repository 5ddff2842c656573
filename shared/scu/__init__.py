"""Sending by C-STORE (PS3.7 9.1.1, PS3.8): what the sender and the terminal have in common."""


class Unavailable(Exception):
    """The destination as a whole cannot take anything now; the text is free of PHI."""
