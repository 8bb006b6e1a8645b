"""The columns of the Arena's data sets as Arrow types, as their cards list them."""

from __future__ import annotations

from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]

from app.formats._parquet import CHAT, NUMBER, TEXT, WHOLE

_SHORT, _FLAG = pa.int32(), pa.bool_()
_CONTENT = pa.list_(pa.struct([("type", TEXT), ("text", TEXT), ("image", TEXT), ("mimeType", TEXT)]))
_MESSAGE = pa.struct([("role", TEXT), ("content", _CONTENT)])
_COMMON = {"model_a": TEXT, "model_b": TEXT, "winner": TEXT}
_TURNS = pa.struct([("turns", _SHORT)])
_CATEGORIES = pa.struct([("category", TEXT)])

OF_140K: dict[str, Any] = {
    "id": TEXT,
    **_COMMON,
    "evaluation_session_id": TEXT,
    "evaluation_order": _SHORT,
    "conversation_a": pa.list_(_MESSAGE),
    "conversation_b": pa.list_(_MESSAGE),
    "full_conversation": pa.list_(
        pa.struct([("user", _MESSAGE), ("model_side_a", _MESSAGE), ("model_side_b", _MESSAGE)])
    ),
    "conv_metadata": _TURNS,
    "category_tag": _CATEGORIES,
    "language": TEXT,
    "is_code": _FLAG,
    "timestamp": TEXT,
}
_BATTLE: dict[str, Any] = {
    "question_id": TEXT,
    **_COMMON,
    "judge": TEXT,
    "conversation_a": CHAT,
    "conversation_b": CHAT,
    "turn": WHOLE,
    "anony": _FLAG,
    "language": TEXT,
    "tstamp": NUMBER,
}
OF_33K = _BATTLE
OF_100K: dict[str, Any] = {
    **{name: kind for name, kind in _BATTLE.items() if name != "judge"},
    "conv_metadata": _TURNS,
    "is_code": _FLAG,
    "is_refusal": _FLAG,
    "dedup_tag": pa.struct([("high_freq", _FLAG), ("sampled", _FLAG)]),
    "category_tag": _CATEGORIES,
    "judge_hash": TEXT,
}
