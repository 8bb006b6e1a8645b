"""From labels to codes: columns of names as integers, the fastest way from a table of votes to ``Comparisons``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
from numpy.typing import NDArray

from app.errors import InvalidInputError
from app.stats.comparisons import MISSING, OUTCOMES, SIDE_UNKNOWN, Comparisons

PIECE = 1 << 19  # rows that are coded in one go
LEFT_WON, RIGHT_WON, _NAMED = -2, -3, -4
# What people and public files write for an outcome; the names of the two models of a row are outcomes of it too.
OUTCOME_WORDS: Mapping[str, int] = {
    **{outcome.value: code for code, outcome in enumerate(OUTCOMES)},
    "bothbad": 3,
    "both bad": 3,
    "tie (bothbad)": 3,
    "left": LEFT_WON,
    "right": RIGHT_WON,
}
Labels: TypeAlias = Any  # a pandas Series, a NumPy array, a list, or a pyarrow array of text
Codes: TypeAlias = NDArray[np.int64]


def encode(labels: Labels) -> tuple[list[Any], NDArray[np.int32]]:
    """The distinct values of a column, and each row's place among them, ``MISSING`` where there is none.

    A column that is coded already (a pandas categorical, an Arrow dictionary) is not coded again.
    """
    return encode_columns([labels])[0]


def encode_columns(columns: Iterable[Labels]) -> list[tuple[list[Any], NDArray[np.int32]]]:
    """``encode`` of each column, side by side in pieces: Arrow works without Python's lock."""
    arrays = [_to_arrow(column) for column in columns]
    pieces = [_pieces(array) for array in arrays]
    with ThreadPoolExecutor() as pool:
        coded = pool.map(_dictionary, [piece for of_column in pieces for piece in of_column])
        return [_joined([next(coded) for _ in of_column]) for of_column in pieces]


def _pieces(array: Any) -> list[Any]:
    if not isinstance(array, pa.ChunkedArray):
        return [array.slice(start, PIECE) for start in range(0, max(1, len(array)), PIECE)]
    return array.chunks or [pa.array([], array.type)]


def _dictionary(array: Any) -> Any:
    return array if pa.types.is_dictionary(array.type) else array.dictionary_encode()


def _joined(coded: Sequence[Any]) -> tuple[list[Any], NDArray[np.int32]]:
    array = coded[0] if len(coded) == 1 else pa.chunked_array(coded).unify_dictionaries().combine_chunks()
    codes = array.indices
    if codes.null_count:
        codes = codes.cast(pa.int64()).fill_null(MISSING)
    return array.dictionary.to_pylist(), codes.to_numpy(zero_copy_only=False).astype(np.int32, copy=False)


def _to_arrow(labels: Labels) -> pa.Array | pa.ChunkedArray:
    """The column as an Arrow array; a pandas column of text is one inside already, which copies nothing."""
    if isinstance(labels, pa.Array | pa.ChunkedArray):
        return labels
    inner: Any = getattr(labels, "array", labels)
    if hasattr(inner, "__arrow_array__"):
        return inner.__arrow_array__()
    if isinstance(inner, np.ndarray) and inner.dtype.kind == "U":
        inner = inner.astype(object)
    try:
        return pa.array(inner, from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise InvalidInputError(f"a column of labels mixes text with something else: {error}") from None


def join_codes(
    names_a: Sequence[str], a: NDArray[np.int32], names_b: Sequence[str], b: NDArray[np.int32]
) -> tuple[tuple[str, ...], Codes, Codes]:
    """Two coded columns of model names under one list of names, in alphabetical order; ``MISSING`` stays missing."""
    models = sorted({*names_a, *names_b})
    place = {name: code for code, name in enumerate(models)}

    def joined(names: Sequence[str], codes: NDArray[np.int32]) -> Codes:
        # The last entry is what MISSING, -1, indexes.
        return np.array([*(place[name] for name in names), MISSING], dtype=np.int64)[codes]

    return tuple(models), joined(names_a, a), joined(names_b, b)


def outcome_codes(
    words: Sequence[str],
    said: NDArray[np.int32],
    models: Sequence[str],
    model_a: Codes,
    model_b: Codes,
    a_is_left: Codes | None = None,
) -> Codes:
    """The outcome of each row, ``MISSING`` where its word is neither in ``OUTCOME_WORDS`` nor one of its two models.

    "left" and "right" are read by ``a_is_left``; without it, and where the side is unknown, model_a is the left one.
    """
    known = np.array([*(OUTCOME_WORDS.get(word, _NAMED) for word in words), MISSING], dtype=np.int64)
    outcome: Codes = known[said]
    if (known < MISSING).any() and (of_sides := (outcome == LEFT_WON) | (outcome == RIGHT_WON)).any():
        is_left = outcome == LEFT_WON
        a_won = is_left if a_is_left is None else is_left == (a_is_left != 0)
        outcome = np.where(of_sides, np.where(a_won, 0, 1), outcome)
    place = {name: code for code, name in enumerate(models)}
    if (known == _NAMED).any():
        winner = np.array([*(place.get(word, _NAMED) for word in words), _NAMED], dtype=np.int64)[said]
        by_name = np.where(winner == model_a, 0, np.where(winner == model_b, 1, MISSING))
        outcome = np.where(outcome == _NAMED, by_name, outcome)
    return outcome


def comparisons_from_labels(
    model_a: Labels,
    model_b: Labels,
    winner: Labels,
    *,
    weight: NDArray[np.float64] | None = None,
    ordered: bool = False,
) -> Comparisons:
    """``Comparisons`` of label columns of N votes, without a step of Python per vote.

    ``winner`` holds ``OUTCOME_WORDS`` or the name of one of the row's two models; with "left" and "right" model_a is
    the left one, otherwise sides are unknown. Sides, and weights that are not given, are one value repeated without
    being stored, so nobody can write to them. Raises ``InvalidInputError`` naming the first row (from 0) with a missing
    name or an unknown outcome.
    """
    if not len(model_a) == len(model_b) == len(winner):
        raise InvalidInputError("the columns of models and winners differ in length")
    (names_a, a), (names_b, b), (words, said) = encode_columns([model_a, model_b, winner])
    if not all(isinstance(word, str) for word in (*names_a, *names_b, *words)):
        raise InvalidInputError("models and winners must be text")
    models, first, second = join_codes(names_a, a, names_b, b)
    outcome = outcome_codes(words, said, models, first, second)
    for name, codes in (("model_a", first), ("model_b", second), ("winner", outcome)):
        if len(codes) and codes.min() < 0:
            raise InvalidInputError(f"{name} is missing or unknown in row {int(codes.argmin())}")
    side = 1 if {"left", "right"} & set(words) else SIDE_UNKNOWN
    return Comparisons(
        models=models,
        model_a=first,
        model_b=second,
        outcome=outcome,
        weight=np.broadcast_to(1.0, len(first)) if weight is None else np.asarray(weight, dtype=np.float64),
        a_is_left=np.broadcast_to(np.int64(side), len(first)),
        ordered=ordered,
    )
