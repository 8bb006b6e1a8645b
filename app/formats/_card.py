"""The card of a data set, its README.md: https://huggingface.co/docs/hub/datasets-cards."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]

from app.file_rows import Card

_DTYPES = {pa.string(): "string", pa.int64(): "int64", pa.float64(): "float64", pa.bool_(): "bool"}
_SIZES = (
    (1_000, "n<1K"),
    (10_000, "1K<n<10K"),
    (100_000, "10K<n<100K"),
    (1_000_000, "100K<n<1M"),
    (10_000_000, "1M<n<10M"),
)
_DATA = """One row is one vote: `model_a` and `model_b` made the conversations `conversation_a` and `conversation_b`,
`left` says which of them stood on the left of the screen, and `outcome` is `model_a`, `model_b`, `tie` or `both_bad`.
Raters stand under pseudonyms. Votes that a rater changed later, attention checks, repeats and votes of raters who were
screened out or withdrew are not in it."""


def readme(card: Card, fields: Mapping[str, Any], n_rows: int) -> str:
    """The card: its YAML with the types of the columns, then what people should know."""
    return "\n".join([*_front(card, fields, n_rows), "", *_text(card, n_rows), ""])


def _front(card: Card, fields: Mapping[str, Any], n_rows: int) -> Iterator[str]:
    yield "---"
    yield f"pretty_name: {json.dumps(card.title or card.key, ensure_ascii=False)}"
    yield "license: unknown"
    yield "tags:\n- preference\n- human-feedback\n- pairwise-comparison\n- bakeoff"
    yield f"size_categories:\n- {next((name for most, name in _SIZES if n_rows < most), '10M<n<100M')}"
    yield "configs:\n- config_name: default\n  data_files:\n  - split: train\n    path: data/train-*.parquet"
    yield "dataset_info:\n  features:"
    for name, kind in fields.items():
        yield from _feature(name, kind)
    yield f"  splits:\n  - name: train\n    num_examples: {n_rows}"
    yield "---"


def _feature(name: str, kind: Any) -> Iterator[str]:
    yield f"  - name: {name}"
    if not pa.types.is_list(kind):
        yield f"    dtype: {_DTYPES[kind]}"
    elif pa.types.is_struct(kind.value_type):
        yield "    list:"
        for field in kind.value_type:
            yield f"    - name: {field.name}"
            yield f"      dtype: {_DTYPES[field.type]}"
    else:
        yield f"    sequence: {_DTYPES[kind.value_type]}"


def _text(card: Card, n_rows: int) -> Iterator[str]:
    yield f"# {_one_line(card.title or card.key)}"
    simulated = " They were **simulated** and not cast by people." if card.is_simulated else ""
    yield f"\n{n_rows:,} votes of the study `{card.key}`, written by Bakeoff {card.app_version}.{simulated}"
    yield f"\n## The data\n\n{_DATA}"
    yield f"\n## Methods\n\n{card.methods or 'Not told.'}"
    consent = (
        f"Raters agreed to this text:\n\n{_quoted(card.consent)}" if card.consent else "No text of consent is stored."
    )
    yield f"\n## Consent\n\n{consent}"
    yield (
        "\n## Licence\n\nNot chosen yet: replace `unknown` above before you publish this. What the models wrote is "
        "under the terms of their makers.\n\n| model | version | maker | licence |\n|---|---|---|---|"
    )
    for row in card.models:
        yield f"| {' | '.join(_cell(value) for value in row)} |"


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _cell(text: str) -> str:
    return _one_line(text).replace("\\", "\\\\").replace("|", "\\|")


def _quoted(text: str) -> str:
    return "\n".join(f"> {line}".rstrip() for line in re.split(r"\r\n|\r|\n", text))
