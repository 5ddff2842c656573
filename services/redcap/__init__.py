"""Keeps REDCap told of what arrives and what is sent, and takes over what people decide there."""
