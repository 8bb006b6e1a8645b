"""Votes as the Arena's data set of 140,000: huggingface.co/datasets/lmarena-ai/arena-human-preference-140k."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import BinaryIO

from app.domain import Message
from app.file_rows import Judged
from app.formats._judged import Carries, chat, n_turns, votes_of
from app.formats._lmarena import NOT_CARRIED, language

KIND = "export"
LABEL = "LMArena, as its 140k data set (Parquet)"
ABOUT = "Battles with both conversations in the columns of arena-human-preference-140k, for arena-rank and the like."
SUFFIX = ".parquet"
CARRIES = Carries(NOT_CARRIED, texts="optional")


def write(rows: Iterable[Judged], stream: BinaryIO) -> int:
    """Write one row per vote; how many. The rater's pseudonym is the session, whose votes are numbered in order."""
    from app.formats import _lmarena_schema, _parquet  # noqa: PLC0415 - Arrow is 20 MB, which few processes need

    return _parquet.write_table(_lmarena_schema.OF_140K, _rows(rows), stream)


def _rows(rows: Iterable[Judged]) -> Iterator[dict[str, object]]:
    n_by_rater: Counter[str] = Counter()
    for row, vote in votes_of(rows):
        rater = vote["rater"]
        if rater is not None:
            n_by_rater[rater] += 1
        told = row.is_told
        yield {
            "id": vote["vote_id"],
            "model_a": vote["model_a"],
            "model_b": vote["model_b"],
            "winner": vote["outcome"],
            "evaluation_session_id": rater,
            "evaluation_order": n_by_rater[rater] if rater is not None else None,
            "conversation_a": _chat(row.prompt, row.output_a) if told else None,
            "conversation_b": _chat(row.prompt, row.output_b) if told else None,
            "full_conversation": _both(row) if told else None,
            "conv_metadata": {"turns": n_turns(row)} if told else None,
            "category_tag": None,
            "language": language(row),
            "is_code": None,
            "timestamp": vote["voted_at"],
        }


def _said(message: dict[str, str]) -> dict[str, object]:
    return {"role": message["role"], "content": [{"type": "text", "text": message["content"]}]}


def _chat(prompt: Sequence[Message], turns: Sequence[str]) -> list[dict[str, object]]:
    return [_said(message) for message in chat(prompt, turns)]


def _both(row: Judged) -> list[dict[str, object]]:
    """What the user said, each time with what both sides answered."""
    found: list[dict[str, object]] = []
    a, b = chat(row.prompt, row.output_a), chat(row.prompt, row.output_b)
    answers = {"model_side_a": [m for m in a if m["role"] == "assistant"]}
    answers["model_side_b"] = [m for m in b if m["role"] == "assistant"]
    for number, asked in enumerate(message for message in a if message["role"] == "user"):
        sides = {side: _said(said[number]) if number < len(said) else None for side, said in answers.items()}
        found.append({"user": _said(asked), **sides})
    return found
