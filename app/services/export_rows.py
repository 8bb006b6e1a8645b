"""What an export writes, row by row: which votes a file has and why not the others, and the texts that were judged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import groupby, islice
from typing import Any, NamedTuple

from app import __version__
from app.file_rows import Judged
from app.formats._judged import Carries, Unit, majority
from app.services.export_kept import kept_rows, kind_of, merged, numbers_given, utc_text
from app.services.export_texts import Texts
from app.services.guesses import guess_names
from app.study import Ending
from db import exports
from db.engine import Row, Session

KNOWN_SIDES = ("known answer: a", "known answer: b")  # what an export names where no model stands
REASONS = {
    "no_answer": "skipped without a word, or taken back",
    "changed": "changed by the rater later",
    "check": "practice, attention checks and planned repeats",
    "screened_out": "of raters whom attention checks screened out",
    "criterion": "on another criterion",
    "staff": "of staff, who can see the results",
    "tie": "ties, for which the format has no room",
    "both_bad": "both bad, for which the format has no room",
    "no_sides": "without known sides",
    "no_texts": "on texts that are not stored, as those of imported votes",
    "media": "on prompts or outputs with images, sounds or films",
    "several_turns": "on several messages or turns, for which the format has no room",
    "no_reference": "on pairs without the reference model",
    "undecided": "on pairs of outputs that no majority decides",
}
_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Filter:
    """Which votes are wanted. ``criterion`` None stands for all of them; only a format ``is_own`` has a column for it.

    One ``is_own`` also has the votes that don't count, each marked.
    """

    carries: Carries
    is_own: bool
    criterion: str | None
    with_staff: bool
    unit: Unit = "vote"
    reference: str | None = None


def told_apart(names: exports.Names) -> dict[object, exports.Side]:
    """The models under names that tell them apart where a format has no column for versions."""
    used = {id_ for both in names.pairs.values() for id_ in both}
    n_named = Counter(names.models[id_].name for id_ in used)
    return {
        id_: side._replace(name=f"{side.name} {side.version}".strip()) if n_named[side.name] > 1 else side
        for id_, side in names.models.items()
    }


def reason_against(row: Any, wanted: Filter) -> str | None:
    """Why a vote is left out, as a key of ``REASONS``; None for one that belongs into the file."""
    if row.outcome is None and (row.skip_reason is None or not wanted.is_own):
        return "no_answer"
    if not wanted.is_own:
        if row.superseded_by is not None:
            return "changed"
        if row.is_check:
            return "check"
        if row.is_left_out:
            return "screened_out"
    if wanted.criterion is not None and row.criterion != wanted.criterion:
        return "criterion"
    if row.is_staff and not wanted.with_staff:
        return "staff"
    if not wanted.is_own and row.outcome not in wanted.carries.outcomes and not _is_weighed(wanted):
        return str(row.outcome)
    return None


def _is_weighed(wanted: Filter) -> bool:
    """Whether ties are needed to say how many votes a majority is of."""
    return wanted.unit == "pair" and wanted.carries.needs_winner


class Reading:
    """The votes of one study as a file has them, in one transaction; ``left_out`` counts those that it hasn't."""

    def __init__(self, session: Session, experiment: Any, wanted: Filter) -> None:
        self.left_out: Counter[str] = Counter()
        self.n_votes = 0
        self._session, self._experiment, self._wanted = session, experiment, wanted
        names = exports.list_names(session, experiment_id=experiment.id)
        self._names = names._replace(models=told_apart(names))
        self._guesses = dict(guess_names(session, experiment.id))
        self._numbers: dict[object, str] = {}

    def own(self, *, order: exports.Order = "time") -> Iterator[dict[str, Any]]:
        """The votes in the columns of our own export."""
        return merged(self._votes(order), self._kept())

    def judged(self, *, order: exports.Order | None = None) -> Iterator[Judged]:
        """The votes with what they judged, one to each or all on a pair of outputs together."""
        carries, unit = self._wanted.carries, self._wanted.unit
        found = self._votes(order or ("pair" if unit == "pair" else "time"))
        single = (
            self._told(found)
            if carries.texts != "none"
            else ((None, Judged((vote,), turn=row.turn)) for row, vote in found)
        )
        if unit == "vote":
            yield from (row for _, row in single)
            return
        for _, group in groupby(single, key=lambda item: item[0]):
            rows = [row for _, row in group]
            whole = replace(rows[0], votes=tuple(vote for row in rows for vote in row.votes))
            if carries.needs_winner and majority(whole.votes).winner is None:
                self._leave_out("undecided", len(whole.votes))
            else:
                yield whole

    def _kept(self) -> Iterator[tuple[Row, dict[str, Any]]]:
        """What a file of ours brought beside the votes that count."""
        for row, vote in self._kept_rows():
            reason = reason_against(kind_of(vote), self._wanted)
            if reason:
                self.left_out[reason] += 1
            else:
                self.n_votes += 1
                yield row, vote

    def _kept_rows(self) -> Iterator[tuple[Row, dict[str, Any]]]:
        return kept_rows(self._session, self._experiment, self._names)

    def count_kept(self, left_out: Counter[str]) -> int:
        """How many of these a file will have; those that it won't are counted by reason."""
        reasons = [reason_against(kind_of(vote), self._wanted) for _, vote in self._kept_rows()]
        left_out.update(reason for reason in reasons if reason)
        return reasons.count(None)

    def _leave_out(self, reason: str, n: int) -> None:
        self.left_out[reason] += n
        self.n_votes -= n

    def _votes(self, order: exports.Order) -> Iterator[tuple[Row, dict[str, Any]]]:
        """Rows of the database with our own columns; one that stands for several votes comes as often."""
        wanted, names, id_ = self._wanted, self._names, self._experiment.id
        given = numbers_given(self._session, id_)
        self._n_raters = max(given.values(), default=0)
        for brought, number in given.items():
            self._numbers |= dict.fromkeys((brought, brought.hex), f"rater-{number}")  # as either driver gives it
        for rater_id in exports.list_raters(self._session, experiment_id=id_):
            self._number(rater_id)  # the same number in every file
        if not wanted.is_own:
            for _ in self._kept():
                pass  # no other format has room for any of them, but they are counted
        for row in exports.stream_votes(self._session, experiment_id=id_, order=order):
            rater = None if row.rater_id is None else self._number(row.rater_id)
            reason = reason_against(row, wanted)
            vote = None if reason else _own_row(row, rater, self._experiment, names, self._guesses)
            if vote is not None and not wanted.is_own:
                reason, vote = _fitted(vote, wanted)
            if reason or vote is None:
                self.left_out[reason or "no_answer"] += row.weight
                continue
            self.n_votes += row.weight
            for _ in range(row.weight):
                yield row, vote

    def _number(self, rater_id: object) -> str:
        if rater_id not in self._numbers:
            self._n_raters += 1
            self._numbers[rater_id] = f"rater-{self._n_raters}"
        return self._numbers[rater_id]

    def _told(self, found: Iterable[tuple[Row, dict[str, Any]]]) -> Iterator[tuple[object, Judged]]:
        """Votes with their texts, and by what a pair of outputs is known."""
        texts, waiting, carries = Texts(self._session), iter(found), self._wanted.carries
        while batch := list(islice(waiting, _AT_ONCE)):
            texts.forget()
            texts.load([row for row, _ in batch])
            for row, vote in batch:
                reason, judged = texts.judged(row, vote)
                if judged.is_told and carries.needs_one_turn and not _is_one_turn(judged):
                    reason = "several_turns"
                if reason and (carries.texts == "required" or reason == "several_turns"):
                    self._leave_out(reason, 1)
                    continue
                if vote["model_a"] != self._name_of_a(row):
                    judged = replace(judged, output_a=judged.output_b, output_b=judged.output_a)
                yield (row.prompt_row_id, row.generation_a_id, row.generation_b_id), judged

    def _name_of_a(self, row: Row) -> str:
        return _sides(row, self._names)[0].name


def _is_one_turn(row: Judged) -> bool:
    asked = [message.role for message in row.prompt]
    return asked == ["user"] and len(row.output_a) == 1 and len(row.output_b) == 1


def _fitted(vote: dict[str, Any], wanted: Filter) -> tuple[str | None, dict[str, Any]]:
    """The vote as the format wants it: where there is a reference model, that one is model a."""
    if wanted.carries.needs_sides and vote["left"] is None:
        return "no_sides", vote
    if wanted.reference is None or vote["model_a"] == wanted.reference:
        return None, vote
    return (None, _turned(vote)) if vote["model_b"] == wanted.reference else ("no_reference", vote)


_OPPOSITE = {"model_a": "model_b", "model_b": "model_a"}


def _turned(vote: Mapping[str, Any]) -> dict[str, Any]:
    """The same vote with model a and model b exchanged."""
    pairs = (("model_a", "model_b"), ("version_a", "version_b"), ("reasons_a", "reasons_b"))
    exchanged = {one: vote[other] for a, b in pairs for one, other in ((a, b), (b, a))}
    words = {name: _OPPOSITE.get(vote[name], vote[name]) for name in ("left", "outcome")}
    return {**vote, **exchanged, **words}


def _uuid(value: object) -> str | None:
    """An id as our own export writes it, from an object or from the digits that SQLite stores."""
    if not isinstance(value, str):
        return None if value is None else str(value)
    return value if "-" in value else f"{value[:8]}-{value[8:12]}-{value[12:16]}-{value[16:20]}-{value[20:]}"


_UNKNOWN, _NO_SET = exports.Side("", ""), (None, None)


def _sides(row: Row, names: exports.Names) -> tuple[exports.Side, exports.Side]:
    """The models of a vote's pair, or of its outputs where it is a repeat and has no pair."""
    if row.gold_position is not None:
        return exports.Side(KNOWN_SIDES[0], ""), exports.Side(KNOWN_SIDES[1], "")
    a, b = names.pairs.get(row.pair_id) or (row.model_a_id, row.model_b_id)
    return names.models.get(a, _UNKNOWN), names.models.get(b, _UNKNOWN)


class _Said(NamedTuple):
    """What was said beside the answer, by model."""

    reasons_a: list[str] | None = None
    reasons_b: list[str] | None = None
    guess_left: str | None = None
    guess_right: str | None = None


_NOTHING = _Said()


def _said(row: Row, guesses: Mapping[str, str]) -> _Said:
    """Reasons and guesses are stored by side of the screen."""
    if row.reasons is None and row.guesses is None:
        return _NOTHING
    reasons, guessed = row.reasons or {}, row.guesses or {}
    of_a, of_b = ("left", "right") if row.is_a_left in (True, None) else ("right", "left")
    names = [guess and guesses.get(guess, guess) for guess in (guessed.get("left"), guessed.get("right"))]
    return _Said(list(reasons.get(of_a, ())) or None, list(reasons.get(of_b, ())) or None, *names)


def _own_row(
    row: Row, rater: str | None, experiment: Any, names: exports.Names, guesses: Mapping[str, str]
) -> dict[str, Any]:
    """The columns of our own export in their order; thirty look-ups by name would take as long as all the rest."""
    (
        vote_id, battle_id, _, _, _, _, _, _, prompt_set_id, prompt_id, gold_position, is_a_left, turn, outcome, weight,
        criterion, _, shown_at, voted_at, dwell_ms, input_, purpose, _, repeat_of, propensity, superseded_by, is_staff,
        is_left_out, strength, _, comment, skip_reason, _,
    ) = tuple(row)  # fmt: skip
    is_gold = gold_position is not None
    side_a, side_b = _sides(row, names)
    set_name, set_version = names.prompt_sets.get(prompt_set_id, _NO_SET)
    said = _said(row, guesses)
    return {
        "vote_id": _uuid(vote_id),
        "experiment": experiment.key,
        "prompt_set": set_name,
        "prompt_set_version": set_version,
        "prompt_id": f"known-{gold_position + 1}" if is_gold else prompt_id,
        "turn": turn or 1,
        "model_a": side_a.name,
        "model_b": side_b.name,
        "version_a": None if is_gold else side_a.version,
        "version_b": None if is_gold else side_b.version,
        "left": None if is_a_left is None else ("model_a" if is_a_left else "model_b"),
        "outcome": outcome,
        "strength": strength,
        "criterion": criterion,
        "reasons_a": said.reasons_a,
        "reasons_b": said.reasons_b,
        "comment": comment or None,
        "rater": rater,
        "rater_group": Ending.SCREENED_OUT.value if is_left_out else "staff" if is_staff else "rater",
        "session": None,
        "shown_at": utc_text(shown_at),
        "voted_at": utc_text(voted_at),
        "dwell_ms": dwell_ms,
        "input": input_,
        "is_gold": purpose in {"gold", "practice"},
        "repeat_of": _uuid(repeat_of),
        "propensity": propensity,
        "allocation": experiment.allocation,
        "leak_flag": None,
        "superseded_by": _uuid(superseded_by),
        "app_version": __version__,
        "battle_id": _uuid(battle_id) if weight == 1 else None,  # a row of many votes is written as many
        "skip_reason": skip_reason,
        "guess_left": said.guess_left,
        "guess_right": said.guess_right,
    }
