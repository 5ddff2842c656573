"""Profiles: what a data manager writes, checked and compiled to one rule per attribute."""
