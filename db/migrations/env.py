"""Alembic's entry: runs on the connection that db.migrate hands over, else on the database of the settings."""

from __future__ import annotations

from alembic import context
from sqlmodel import SQLModel

import db.tables  # noqa: F401 - fills the metadata
from db.engine import database


def run(connection: object) -> None:
    """Bring the schema of ``connection`` to the asked revision."""
    context.configure(
        connection=connection,  # type: ignore[arg-type]
        target_metadata=SQLModel.metadata,
        render_as_batch=True,
        compare_type=True,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()


given = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    with database().exclusive() as own:
        run(own)
        own.commit()
