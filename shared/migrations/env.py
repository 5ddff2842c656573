"""Alembic's entry: migrations run on the connection that shared.database hands over."""

from typing import Any, Literal

from alembic import context

from shared.tables import Base
from shared.tables.base import UtcDateTime


def ours(name: str | None, kind: str, _: Any) -> bool:
    """Only the default schema and `identity` are looked at."""
    return kind != "schema" or name in (None, "identity")


def plainly(kind: str, item: Any, _: Any) -> str | Literal[False]:
    """Our own types are written as what the database knows."""
    return "sa.DateTime(timezone=True)" if kind == "type" and isinstance(item, UtcDateTime) else False


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    include_schemas=True,
    include_name=ours,
    render_item=plainly,
    render_as_batch=False,
    transactional_ddl=True,
    compare_type=True,
)
context.run_migrations()
