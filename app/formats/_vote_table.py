"""A file of votes as coded columns for the maths: checked like any import, but column by column."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from io import BytesIO

import numpy as np
from numpy.typing import NDArray

from app.errors import RowProblem
from app.formats._cells import Table
from app.formats._coded import Reading, read_coded
from app.formats._record import Columns, Record
from app.formats._registry import detect, flat_format
from app.formats._text import HEAD_SIZE, shown
from app.formats._votes import ACCEPTED
from app.stats.coding import OUTCOME_WORDS, join_codes, outcome_codes
from app.stats.comparisons import MISSING, SIDE_UNKNOWN
from app.study import OVERALL, Ending

WINNER, RATER, PROMPT = ("winner", "outcome"), ("rater", "worker", "judge"), ("prompt_id", "question_id", "prompt")
GUESS = ("guess", "guess_of")
GUESS_RIGHT, GUESS_WRONG, GUESS_UNKNOWN = 1, 0, 2
_NOTHING = -2  # no guess at all, or none of a model
DONT_KNOW = ("dont_know", "dont know", "don't know", "don't_know", "unknown")
SIDES = (("_left", "_right"), ("_a", "_b"))  # the two endings of a pair of covariate columns
GUESSED = ("guess_left", "guess_right")
_USED = {
    "model_a",
    "model_b",
    "left",
    "right",
    "weight",
    "superseded_by",
    "rater_group",
    "is_gold",
    "repeat_of",
    "criterion",
    "skip_reason",
    *GUESS,
    *GUESSED,
    *WINNER,
    *RATER,
    *PROMPT,
}
_STAFF = "staff"  # the group of those who may know the models, as exports name it
_KAGGLE = {"winner_model_a": "model_a", "winner_model_b": "model_b", "winner_tie": "tie"}
COLUMNS = Columns(
    required=(*ACCEPTED.required, ("model_a", "model_b", *_KAGGLE)), optional=(*ACCEPTED.optional, *_KAGGLE, *GUESS)
)


@dataclass(frozen=True)
class VoteTable:
    """N votes as codes; what the file does not tell is None.

    ``model_a``, ``model_b`` index ``models``; ``outcome`` is a place in ``comparisons.OUTCOMES``; ``a_is_left`` is 1, 0
    or ``SIDE_UNKNOWN``; ``rater`` (a place in ``raters``) and ``prompt`` are codes, ``MISSING`` where blank;
    ``covariates`` holds per name the values of model_a's and model_b's side. ``guess`` says whether the rater guessed
    right which model stood where (``GUESS_RIGHT`` and so on), ``MISSING`` where nobody asked; ``guess_left`` and
    ``guess_right`` say so of each side, where raters chose from ``n_options`` names. ``has_sides`` says
    whether the file itself speaks of left and right, ``n_staff`` how many votes of unblinded staff were left out.
    """

    models: tuple[str, ...]
    model_a: NDArray[np.int64]
    model_b: NDArray[np.int64]
    outcome: NDArray[np.int64]
    weight: NDArray[np.float64]
    a_is_left: NDArray[np.int64]
    has_sides: bool
    rater: NDArray[np.int64] | None = None
    raters: tuple[str, ...] = ()
    prompt: NDArray[np.int64] | None = None
    covariates: Mapping[str, tuple[NDArray[np.float64], NDArray[np.float64]]] = field(default_factory=dict)
    guess: NDArray[np.int64] | None = None
    guess_left: NDArray[np.int64] | None = None
    guess_right: NDArray[np.int64] | None = None
    n_options: int = 2
    n_staff: int = 0

    def __len__(self) -> int:
        return len(self.model_a)


def read_vote_table(
    data: bytes, *, covariates: Sequence[str] = (), with_repeats: bool = False, with_staff: bool = False
) -> VoteTable:
    """The votes of a CSV, TSV, JSON Lines or Parquet file that count; ``BadFileError`` names each bad row.

    A vote that a later one replaced (``superseded_by``), one on a pair with a known answer (``is_gold``), one of a
    rater whom checks screened out (``rater_group``), one of staff unless ``with_staff``, a row of weight 0 and, unless
    ``with_repeats``, a planned repeat (``repeat_of``) do not count. ``covariates`` names pairs of columns, "chars" for
    ``chars_left`` and ``chars_right``.
    """
    wanted = {name + end for name in covariates for ends in SIDES for end in ends} | _USED | set(_KAGGLE)

    def understand(table: Table) -> tuple[VoteTable, list[RowProblem]]:
        reading = _Reading(table)
        return reading.votes(covariates, with_repeats=with_repeats, with_staff=with_staff), reading.problems

    return read_coded(data, COLUMNS, wanted, understand, refuse=partial(detect, "votes"), flatten=_flattened)


def _flattened(data: bytes) -> Iterator[Record | RowProblem] | None:
    """The votes of a file of another tool, without those in which nobody could judge; None for any other file."""
    flat = flat_format(data[:HEAD_SIZE])
    if flat is None:
        return None
    return (row for row in flat.flattened(BytesIO(data)) if isinstance(row, RowProblem) or "skipped" not in row.values)


class _Reading(Reading):
    """A table of votes being understood."""

    def votes(self, covariates: Sequence[str], *, with_repeats: bool, with_staff: bool) -> VoteTable:
        """The votes, good only if ``problems`` stays empty."""
        has_models = "model_a" in self.table.names
        ends = ("model_a", "model_b") if has_models else ("left", "right")
        (names_a, a), (names_b, b) = (self.names((end,), required=True) for end in ends)
        models, model_a, model_b = join_codes(names_a, a, names_b, b)
        for row in self.rows((model_a == model_b) & (model_a != MISSING)):
            self.blame(row, f"{ends[0]} and {ends[1]} are the same model, {shown(models[model_a[row]])}")
        a_is_left = self._sides(models, model_a, model_b) if has_models else np.ones(len(a), dtype=np.int64)
        outcome = self._outcomes(models, model_a, model_b, a_is_left)
        weight = self.numbers("weight", 1.0)
        pairs = {name: self._pair(name, a_is_left) for name in covariates}
        raters, rater = self._people(RATER)
        votes = VoteTable(
            models=models,
            model_a=model_a,
            model_b=model_b,
            outcome=outcome,
            weight=weight,
            a_is_left=a_is_left,
            has_sides=bool((a_is_left != SIDE_UNKNOWN).any()),
            rater=rater,
            raters=tuple(raters),
            prompt=self._people(PROMPT)[1],
            covariates=pairs,
            guess=self._guesses(models, model_a, model_b, a_is_left) if "guess" in self.table.columns else None,
            guess_left=self._named("guess_left", models, np.where(a_is_left == 0, model_b, model_a), a_is_left),
            guess_right=self._named("guess_right", models, np.where(a_is_left == 0, model_a, model_b), a_is_left),
            n_options=self._options(models),
        )
        return self._counting(self._without_known(votes), with_repeats=with_repeats, with_staff=with_staff)

    def _without_known(self, votes: VoteTable) -> VoteTable:
        """The votes on pairs with a known answer marked by weight 0, without the names that only they have."""
        cells = self.table.columns.get("is_gold")
        if cells is None:
            return votes
        said = [code for code, value in enumerate(cells.values) if str(value).strip().lower() in {"true", "1"}]
        is_gold = np.isin(cells.codes, said)
        if not is_gold.any():
            return votes
        used = np.unique(np.concatenate([votes.model_a[~is_gold], votes.model_b[~is_gold]]))
        used = used[used != MISSING]
        place = np.full(len(votes.models) + 1, MISSING, dtype=np.int64)  # the last is the place of MISSING itself
        place[used] = np.arange(len(used))
        return replace(
            votes,
            models=tuple(votes.models[code] for code in used),
            model_a=place[votes.model_a],
            model_b=place[votes.model_b],
            weight=np.where(is_gold, 0.0, votes.weight),
        )

    def _counting(self, votes: VoteTable, *, with_repeats: bool, with_staff: bool) -> VoteTable:
        """Without the rows that do not count; models that only they name stay."""
        counts = (votes.weight > 0) & (votes.outcome != MISSING) & self._is_overall()
        for name in ("superseded_by",) if with_repeats else ("superseded_by", "repeat_of"):
            if (cells := self.table.columns.get(name)) is not None:
                counts &= cells.codes == MISSING
        groups, group = self.names(("rater_group",))
        if Ending.SCREENED_OUT in groups:
            counts &= group != groups.index(Ending.SCREENED_OUT)
        is_staff = group == groups.index(_STAFF) if _STAFF in groups and not with_staff else np.zeros_like(counts)
        n_staff = int(votes.weight[counts & is_staff].sum())
        counts &= ~is_staff
        if counts.all():
            return votes

        def kept(column: NDArray[np.int64] | None) -> NDArray[np.int64] | None:
            return None if column is None else column[counts]

        return VoteTable(
            models=votes.models,
            model_a=votes.model_a[counts],
            model_b=votes.model_b[counts],
            outcome=votes.outcome[counts],
            weight=votes.weight[counts],
            a_is_left=votes.a_is_left[counts],
            has_sides=votes.has_sides,
            rater=kept(votes.rater),
            raters=votes.raters,
            prompt=kept(votes.prompt),
            covariates={name: (one[counts], two[counts]) for name, (one, two) in votes.covariates.items()},
            guess=kept(votes.guess),
            guess_left=kept(votes.guess_left),
            guess_right=kept(votes.guess_right),
            n_options=votes.n_options,
            n_staff=n_staff,
        )

    def _is_overall(self) -> NDArray[np.bool_]:
        """The rows of the overall criterion, or of the only one that the file has."""
        words, said = self.names(("criterion",))
        named = set(words) - {OVERALL}
        if not named or (len(named) == 1 and OVERALL not in words and (said != MISSING).all()):
            return np.ones(self.table.n_rows, dtype=np.bool_)
        if OVERALL not in words and (said != MISSING).all():
            reason = (
                f"there are votes on {', '.join(sorted(named)[:5])} and none overall; keep the rows of one criterion"
            )
            self.problems.append(RowProblem(0, reason))
        places = [code for code, word in enumerate(words) if word != OVERALL]
        return ~np.isin(said, places)

    def _named(
        self,
        column: str,
        models: Sequence[str],
        stood: NDArray[np.int64],
        a_is_left: NDArray[np.int64],
    ) -> NDArray[np.int64] | None:
        """Whether the guesses of one side are right: each the name of a model, or dont_know."""
        if column not in self.table.columns:
            return None
        words, said = self.names((column,))
        self.blame_rows((said != MISSING) & (a_is_left == SIDE_UNKNOWN), "a guess needs left, to be right or wrong")
        place = {name: code for code, name in enumerate(models)} | dict.fromkeys(DONT_KNOW, _NOTHING)
        named = np.array([*(place.get(word, MISSING) for word in words), MISSING], dtype=np.int64)[said]
        found = np.where(named == _NOTHING, GUESS_UNKNOWN, np.where(named == stood, GUESS_RIGHT, GUESS_WRONG))
        return np.where(said == MISSING, MISSING, found)

    def _options(self, models: Sequence[str]) -> int:
        """How many names raters could choose from, as far as the file tells: its models and what was guessed."""
        guessed = {word for column in GUESSED for word in self.names((column,))[0]}
        return max(2, len({*models} | (guessed - {*DONT_KNOW})))

    def _people(self, columns: Sequence[str]) -> tuple[list[str], NDArray[np.int64] | None]:
        if not any(name in self.table.columns for name in columns):
            return [], None
        names, codes = self.names(columns, whole_numbers=True)
        return names, codes.astype(np.int64)

    def _sides(
        self, models: Sequence[str], model_a: NDArray[np.int64], model_b: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """Who stood on the left, in a file that names model_a and model_b."""
        words, said = self.names(("left",))
        place = {name: code for code, name in enumerate(models)}
        fixed = {"model_a": 1, "model_b": 0}
        side = np.array([*(fixed.get(word, -2) for word in words), SIDE_UNKNOWN], dtype=np.int64)[said]
        named = np.array([*(place.get(word, -2) for word in words), -2], dtype=np.int64)[said]
        side = np.where(side == -2, np.where(named == model_a, 1, np.where(named == model_b, 0, -2)), side)
        for row in self.rows(side == -2):
            self.blame(row, f"left must be model_a or model_b, not {shown(words[said[row]])}")
        return side

    def _outcomes(
        self,
        models: Sequence[str],
        model_a: NDArray[np.int64],
        model_b: NDArray[np.int64],
        a_is_left: NDArray[np.int64],
    ) -> NDArray[np.int64]:
        if not any(name in self.table.names for name in WINNER) and set(_KAGGLE) <= set(self.table.names):
            return self._kaggle_outcomes()
        words, said = self.names(WINNER, required="skip_reason" not in self.table.columns)
        if "skip_reason" in self.table.columns:  # who couldn't judge said why, and nothing else
            skipped = self.names(("skip_reason",))[1] != MISSING
            self.blame_rows((said == MISSING) & ~skipped, f"{WINNER[0]} is missing or blank")
        for word in set(words) & set(models) & set(OUTCOME_WORDS):
            reason = f"{shown(word)} is an outcome and also the name of a model; rename the model"
            self.blame_rows(said == words.index(word), reason)
        outcome = outcome_codes(words, said, models, model_a, model_b, a_is_left)
        known = ", ".join(OUTCOME_WORDS)
        for row in self.rows((outcome == MISSING) & (said != MISSING)):
            word = words[said[row]]
            who = "a model of another row" if word in models else "not an outcome"
            self.blame(row, f"{shown(word)} is {who}; the outcomes are {known}, or the name of one of the two models")
        return outcome

    def _guesses(
        self,
        models: Sequence[str],
        model_a: NDArray[np.int64],
        model_b: NDArray[np.int64],
        a_is_left: NDArray[np.int64],
    ) -> NDArray[np.int64]:
        """Whether each guess was right: a model's name as that on the left, or the side of the model ``guess_of``."""
        words, said = self.names(("guess",))
        for word in {"left", "right", *DONT_KNOW} & set(words) & set(models):
            self.blame_rows(
                said == words.index(word), f"{shown(word)} is a guess and also the name of a model; rename it"
            )
        place = {name: code for code, name in enumerate(models)} | dict.fromkeys(DONT_KNOW, _NOTHING)
        named = np.array([*(place.get(word, MISSING) for word in words), _NOTHING], dtype=np.int64)[said]
        sides = np.array([*({"left": 1, "right": 0}.get(word, MISSING) for word in words), MISSING], np.int64)[said]
        target = self._targets(models, model_a)
        is_side, is_name = sides != MISSING, (named == model_a) | (named == model_b)
        self.blame_rows(
            ~is_side & ~is_name & (named != _NOTHING),
            "guess must be left, right, dont_know, or the model of this row that is taken for the one on the left",
        )
        self.blame_rows(
            is_side & (target != model_a) & (target != model_b),
            "guess says left or right, but guess_of does not name the model of this row that was asked for",
        )
        self.blame_rows((is_side | is_name) & (a_is_left == SIDE_UNKNOWN), "a guess needs left, to be right or wrong")
        held = np.where(is_side, target, named)  # the model that is said to stand on the side said, or on the left
        stood_left = (held == model_a) == (a_is_left == 1)
        is_right = stood_left == np.where(is_side, sides == 1, True)
        asked = np.where(is_side | is_name, np.where(is_right, GUESS_RIGHT, GUESS_WRONG), GUESS_UNKNOWN)
        return np.where(said == MISSING, MISSING, asked)

    def _targets(self, models: Sequence[str], model_a: NDArray[np.int64]) -> NDArray[np.int64]:
        """Of which model left or right was guessed: ``guess_of``, or model_a in a file that has that column."""
        names, said = self.names(("guess_of",))
        place = {name: code for code, name in enumerate(models)}
        target = np.array([*(place.get(name, MISSING) for name in names), MISSING], dtype=np.int64)[said]
        return np.where(said == MISSING, model_a, target) if "model_a" in self.table.names else target

    def _kaggle_outcomes(self) -> NDArray[np.int64]:
        """Three columns of 0 and 1, one of them 1 (the 55k file of the Kaggle contest)."""
        flags = np.stack([self.numbers(name, 0.0) for name in _KAGGLE])
        good = (flags.sum(axis=0) == 1) & ((flags == 0) | (flags == 1)).all(axis=0)
        self.blame_rows(~good, f"exactly one of {', '.join(_KAGGLE)} must be 1, the others 0")
        return np.asarray(flags.argmax(axis=0), dtype=np.int64)

    def _pair(self, name: str, a_is_left: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The values of a covariate for model_a and for model_b."""
        for ends in SIDES:
            both = [name + end for end in ends]
            if all(column in self.table.names for column in both):
                one, two = (self.numbers(column, None) for column in both)
                if ends == ("_left", "_right"):
                    turned = a_is_left == 0
                    one, two = np.where(turned, two, one), np.where(turned, one, two)
                return one, two
        near = sorted({column.rpartition("_")[0] for column in self.table.names if column.endswith(("_left", "_a"))})
        known = f"; pairs in this file: {', '.join(near)}" if near else ""
        self.problems.append(RowProblem(0, f"there are no columns {name}_left and {name}_right{known}"))
        return np.zeros(self.table.n_rows), np.zeros(self.table.n_rows)
