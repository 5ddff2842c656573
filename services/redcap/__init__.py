"""Keeps REDCap told of what arrives and what is sent."""
