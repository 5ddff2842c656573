"""What Python imports first in a service process whose PYTHONPATH has this folder."""

from importlib import import_module

for name in ("first_version", "wrong_clock"):
    import_module(name)
