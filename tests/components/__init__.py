"""Real RabbitMQ, PostgreSQL, Orthanc, DCMTK and OpenLDAP, each started in a folder of its own."""

from collections.abc import Callable

from tests.components import dcmtk, orthanc, postgres, rabbitmq, slapd
from tests.components.programs import absent

# Component to "what of it is not on this machine".
MISSING: dict[str, Callable[[], list[str]]] = {
    "rabbitmq": rabbitmq.missing,
    "postgres": postgres.missing,
    "orthanc": orthanc.missing,
    "dcmtk": dcmtk.missing,
    "slapd": slapd.missing,
    "prometheus": lambda: absent("promtool"),
}


class ComponentMissing(RuntimeError):
    """A component is not installed; the message says how to install it."""


def _containers() -> list[str]:
    from tests.components import containers

    return containers.missing()


MISSING["containers"] = _containers


def require(*names: str) -> None:
    """ComponentMissing unless each named component is installed."""
    absent = {name: found for name in names if (found := MISSING[name]())}
    if absent:
        what = "; ".join(f"{name} ({', '.join(parts)})" for name, parts in absent.items())
        raise ComponentMissing(f"not installed: {what}: run scripts/install-components.sh {' '.join(absent)}")
