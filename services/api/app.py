"""The application: routers, error answers, health pages, and the guard around it all."""

import asyncio
from typing import Any

from fastapi import APIRouter, Depends, FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from services.api import etags, idempotency, pages, problems
from services.api.answers import Shape, examples_of
from services.api.contract import terms
from services.api.guard import Guard
from services.api.paging import Paging
from services.api.people.enforcing import permitted
from services.api.people.signing_in import Door
from services.api.permissions import PERMISSIONS, Where
from services.api.query import understood
from services.api.recorder import Recorder, recorded
from services.api.resources import ROUTERS
from services.api.settings import ApiSettings
from services.api.stow import routes as stow
from services.api.stream import routes as stream
from services.api.stream.feed import Feed
from shared.audit import Spool
from shared.journal import Journal
from shared.service import Context
from shared.service.health import routes as health_routes

TITLE = "FIONA"
VERSION = "1"
DESCRIPTION = """\
A gateway between clinical imaging and research: what has arrived, to whom it belongs, how far it has come.

Lists take `limit` and `offset`. A query names what its operation knows, each once: anything else is refused (422),
so that no filter is ignored. Every error is a problem (RFC 9457). Searches by identity are POSTs: no name, patient id
or accession number belongs into a URL. A POST may carry an `Idempotency-Key`: it is done once, however often it is
asked. What people edit has an ETag, and changing it says by `If-Match` which version is meant. Programs present a
bearer token; pages sign in, and say with whatever changes something the X-CSRF-Token that the session told them. Beside
this there are `/livez`, `/readyz` and `/metrics`.
"""
EVERYWHERE = (
    *("malformed-request", "not-signed-in", "forbidden", "csrf-token-missing", "cross-site"),
    *("invalid-request", "too-large", "internal-error", "database-unavailable", "audit-unavailable"),
)
SECURITY: dict[str, Any] = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "an API token, or a program's session"},
    "cookie": {"type": "apiKey", "in": "cookie", "name": "__Host-fiona", "description": "a page's session"},
}


def create_app(
    context: Context, journal: Journal, settings: ApiSettings | None = None, routes: FastAPI | None = None
) -> FastAPI:
    """The api of a process; `journal` is where STOW-RS keeps what it is given, `routes` what `build` made."""
    settings = settings or ApiSettings()
    app = routes or build()
    app.state.context = context
    app.state.settings = settings
    app.state.door = Door(settings)
    app.state.terms = terms(settings.contract)
    app.state.feed = Feed(context.database, settings)
    app.state.coupling_turns = asyncio.Semaphore(settings.coupling_lists)
    app.state.intake = stow.Intake(journal, settings)
    app.router.routes.extend([*health_routes(context.health), *pages.routes()])
    app.add_middleware(Paging)
    app.add_middleware(idempotency.Keeper)
    app.add_middleware(Guard, settings=settings)
    app.add_middleware(Recorder, spool=Spool(context.store))
    return app


def build() -> FastAPI:
    """Routes and schema, without anything behind them."""
    app = FastAPI(
        title=TITLE,
        version=VERSION,
        description=DESCRIPTION,
        openapi_url="/api/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=_name,
        responses=problems.documented(*EVERYWHERE),
        dependencies=[Depends(permitted), Depends(recorded), Depends(understood), Depends(idempotency.keyed)],
    )
    problems.install(app)
    etags.install(app)
    idempotency.install(app)
    rest = APIRouter(prefix="/api/v1")
    for router in ROUTERS:
        rest.include_router(router)
    rest.include_router(stream.router)
    app.include_router(rest)
    app.include_router(stow.router)

    def schema() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _schema(app)
        return app.openapi_schema

    app.openapi = schema  # type: ignore[method-assign]
    return app


def _name(route: APIRoute) -> str:
    return route.name


def _schema(app: FastAPI) -> dict[str, Any]:
    """FastAPI's, with our problems in place of its own error models, and the nulls that it drops from examples."""
    schema = get_openapi(
        title=app.title,
        version=app.version,
        description=app.description,
        routes=app.routes,
    )
    models = schema["components"]["schemas"]
    described = problems.ProblemDetails.model_json_schema(ref_template="#/components/schemas/{model}")
    models.update(described.pop("$defs"))
    models["ProblemDetails"] = described
    schema["components"]["securitySchemes"] = SECURITY
    schema["security"] = [{name: []} for name in SECURITY]
    for unused in ("HTTPValidationError", "ValidationError"):
        models.pop(unused, None)
    for name, examples in examples_of(Shape):
        if name in models:
            models[name]["examples"] = examples
    for operation in [each for methods in schema["paths"].values() for each in methods.values()]:
        problems.also(operation, *EVERYWHERE)
        where = PERMISSIONS[operation["operationId"]].where
        if where is Where.PUBLIC:
            operation["security"] = []
        elif where is Where.NETWORK:
            operation["security"] = [{}, *schema["security"]]
    etags.describe(schema)
    idempotency.describe(schema)
    stream.describe(schema)
    return schema
