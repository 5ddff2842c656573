"""Brings de-identified series to their destinations and counts them there."""
