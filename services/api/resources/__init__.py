"""One module per resource: its models, its queries, its routes."""

from services.api.resources import (
    assignments,
    counts,
    coupling,
    dead,
    destinations,
    projects,
    rules,
    series,
    studies,
    transfers,
)

ROUTERS = (
    studies.router,
    series.router,
    assignments.router,
    projects.router,
    coupling.router,
    rules.router,
    transfers.router,
    destinations.router,
    dead.router,
    counts.router,
)
