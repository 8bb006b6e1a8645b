"""What all files of models share."""

from __future__ import annotations

from app.file_rows import ModelRow
from app.formats._objects import value_of_cell
from app.formats._record import Columns, Record, RowError
from app.formats._text import shown

ACCEPTED = Columns(
    required=(("name",),),
    optional=(
        *("version", "organisation|organization", "licence|license", "api_id|provider_id", "connector", "settings"),
        *("secret", "input_price", "output_price", "concurrency", "per_minute"),
    ),
)
WRITTEN = ("name", "version", "organisation", "licence", "provider_id")
ASKED = ("connector", "settings", "secret", "input_price", "output_price", "concurrency", "per_minute")
_SETTINGS = 'a JSON object such as {"base_url": "https://..."}'


def model(record: Record) -> ModelRow:
    """One model; what is left out is blank."""
    row = ModelRow(
        line=record.line,
        name=record.required_name("name"),
        version=record.identifier("version") or "",
        organisation=record.name("organisation", "organization") or "",
        licence=record.name("licence", "license") or "",
        provider_id=record.name("api_id", "provider_id") or "",
        connector=record.name("connector") or "",
        settings=_settings(record),
        secret=record.name("secret") or "",
        input_price=record.number("input_price"),
        output_price=record.number("output_price"),
        concurrency=record.whole("concurrency"),
        per_minute=record.whole("per_minute"),
    )
    given = [name for name, value in zip(ASKED, asked_values(row), strict=True) if value not in (None, "")]
    if given and not row.connector:
        raise RowError(f"{given[0]} is for a model that is asked, so connector is needed too")
    return row


def _settings(record: Record) -> dict[str, object]:
    """A JSON object, or the text of one in a table."""
    value = record.values.get("settings")
    record.taken.add("settings")
    if isinstance(value, str):
        if not value.strip():
            return {}
        value = value_of_cell("settings", value, _SETTINGS)
    if value is not None and not isinstance(value, dict):
        raise RowError(f"settings must be {_SETTINGS}, not {shown(value)}")
    return value or {}


def values(row: ModelRow) -> tuple[str, ...]:
    """The values of a model in the order of ``WRITTEN``."""
    return row.name, row.version, row.organisation, row.licence, row.provider_id


def asked_values(row: ModelRow) -> tuple[object, ...]:
    """How a model is asked, in the order of ``ASKED``; None for what isn't given."""
    settings = dict(row.settings) or None
    return row.connector, settings, row.secret, row.input_price, row.output_price, row.concurrency, row.per_minute
