"""Pixel data: copied untouched where it may stay, cleaned where text stands in it."""
