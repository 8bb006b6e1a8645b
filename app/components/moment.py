"""Points in time as the viewer's clock shows them."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import streamlit as st


def _zone() -> tzinfo:
    try:
        return ZoneInfo(st.context.timezone or "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        return UTC


def day(moment: datetime) -> str:
    """The day in the viewer's zone, such as 3 Nov 2026."""
    local = moment.astimezone(_zone())
    return f"{local.day} {local:%b %Y}"


def minute(moment: datetime) -> str:
    """Day and time in the viewer's zone, such as 3 Nov 2026, 14:02."""
    return f"{day(moment)}, {moment.astimezone(_zone()):%H:%M}"
