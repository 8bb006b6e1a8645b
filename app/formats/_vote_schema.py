"""The columns of our own export as Arrow types; times stand in them as in JSON, so that no reader shifts them."""

from __future__ import annotations

from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]

from app.formats._parquet import NUMBER, TEXT, TEXTS, WHOLE
from app.formats._votes import EXPORTED

_OTHERS = {
    "prompt_set_version": WHOLE,
    "turn": WHOLE,
    "reasons_a": TEXTS,
    "reasons_b": TEXTS,
    "dwell_ms": WHOLE,
    "is_gold": pa.bool_(),
    "propensity": NUMBER,
    "leak_flag": pa.bool_(),
}
FIELDS: dict[str, Any] = {name: _OTHERS.get(name, TEXT) for name in EXPORTED}
