"""Column types that behave the same on SQLite and PostgreSQL, and what all tables share."""

from __future__ import annotations

import secrets
import time
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import numpy as np
import uuid_utils.compat
from numpy.typing import NDArray
from sqlalchemy import JSON, Column, DateTime, Dialect, Enum
from sqlalchemy.types import TypeDecorator
from sqlmodel import Field, SQLModel

# How far each of the bytes 6 to 11 shifts the counter, the bits that it takes, and its bits of version and variant.
_COUNTER = ((38, 0x0F, 0x70), (30, 0xFF, 0), (24, 0x3F, 0x80), (16, 0xFF, 0), (8, 0xFF, 0), (0, 0xFF, 0))

SQLModel.metadata.naming_convention = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


def new_id() -> UUID:
    """A UUIDv7: unique everywhere, and in the order in which this process made them."""
    return uuid_utils.compat.uuid7()


def new_ids(n: int) -> NDArray[np.uint8]:
    """``n`` ids as ``new_id`` makes them, 16 bytes each, in ascending order.

    RFC 9562, section 6.2, method 1: all have the same millisecond, then a counter of 42 bits that begins in its lower
    half, then 32 random bits.
    """
    counter = np.uint64(secrets.randbits(41)) + np.arange(n, dtype=np.uint64)
    ids = np.empty((n, 16), dtype=np.uint8)
    ids[:, :6] = np.frombuffer((time.time_ns() // 1_000_000).to_bytes(6, "big"), dtype=np.uint8)
    for byte, (shift, mask, fixed) in enumerate(_COUNTER, start=6):
        ids[:, byte] = (counter >> np.uint64(shift)).astype(np.uint8) & np.uint8(mask) | np.uint8(fixed)
    ids[:, 12:] = np.frombuffer(secrets.token_bytes(4 * n), dtype=np.uint8).reshape(n, 4)
    return ids


class UtcDateTime(TypeDecorator[datetime]):
    """An aware moment in, the same moment in UTC out; a naive one is an error of the caller."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Store in UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone cannot be stored")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return in UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def enum_type(enum: type[StrEnum]) -> Any:
    """A string column that holds exactly the values of ``enum``, by a check constraint.

    SQLModel wants a type without arguments, hence Any.
    """
    return Enum(
        enum,
        native_enum=False,
        create_constraint=True,
        validate_strings=True,
        length=16,
        name=enum.__name__.lower(),
        values_callable=lambda members: [member.value for member in members],
    )


def json_list() -> Column[Any]:
    """A column of a list, which rows from before it leave empty."""
    return Column(JSON, nullable=False, server_default="[]")


def json_object() -> Column[Any]:
    """A column of an object, which rows from before it leave empty."""
    return Column(JSON, nullable=False, server_default="{}")


class Table(SQLModel):
    """What all tables share: an id that sorts by time of creation."""

    id: UUID = Field(default_factory=new_id, primary_key=True)
