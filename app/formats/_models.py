"""What all files of models share."""

from __future__ import annotations

from app.domain import ModelRow
from app.formats._record import Columns, Record

ACCEPTED = Columns(
    required=(("name",),),
    optional=("version", "organisation|organization", "licence|license", "api_id|provider_id"),
)
WRITTEN = ("name", "version", "organisation", "licence", "provider_id")


def model(record: Record) -> ModelRow:
    """One model; what is left out is blank."""
    return ModelRow(
        line=record.line,
        name=record.required_name("name"),
        version=record.identifier("version") or "",
        organisation=record.name("organisation", "organization") or "",
        licence=record.name("licence", "license") or "",
        provider_id=record.name("api_id", "provider_id") or "",
    )


def values(row: ModelRow) -> tuple[str, ...]:
    """The values of a model in the order of ``WRITTEN``."""
    return row.name, row.version, row.organisation, row.licence, row.provider_id
