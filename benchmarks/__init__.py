"""Measured beside peers in one run."""
