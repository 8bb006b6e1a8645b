"""The rows of a file of votes in the database: pairs, raters, battles and votes of one completed study."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from app.domain import Act, BattleStatus, Input, Outcome, Purpose, Role
from app.errors import BadFileError, RowProblem
from app.formats._vote_columns import NEVER, VoteColumns, microseconds
from app.services import vote_own
from app.services.export_kept import pseudonym
from app.stats.comparisons import MISSING, OUTCOMES, SIDE_UNKNOWN
from app.study import DONT_KNOW, OVERALL, Remarks, remark_columns
from db import experiments, imports, models
from db.columns import new_id
from db.engine import Session
from db.imports import Coded, Column, Each, Ids, Times

_SWAPPED = {Outcome.MODEL_A: Outcome.MODEL_B, Outcome.MODEL_B: Outcome.MODEL_A}
# The code of each outcome, and of none, once the two models have changed places.
_TURNED = np.array([*(OUTCOMES.index(_SWAPPED.get(one, one)) for one in OUTCOMES), MISSING], dtype=np.int8)
MOST_VOTES = 2**31 - 1  # between two models: PostgreSQL's integer


@dataclass(frozen=True, slots=True)
class Outputs:
    """The outputs that votes judged: ids, and for each vote the places of model a's and model b's, or ``MISSING``."""

    ids: Sequence[UUID]
    a: NDArray[np.int32]
    b: NDArray[np.int32]

    def count_told(self, votes: VoteColumns) -> int:
        """How many of these votes have both."""
        is_told = votes.is_counted & (self.a != MISSING) & (self.b != MISSING)
        return int(votes.weight[is_told].sum(dtype=np.int64))


def find_outputs(
    session: Session,
    votes: VoteColumns,
    *,
    prompt_set_id: UUID,
    prompt_ids: Mapping[str, UUID],
    model_ids: Mapping[str, UUID],
) -> Outputs:
    """What votes on stored prompts judged: the output of each model, where it has just one for the prompt."""
    prompt = {id_: i for i, name in enumerate(votes.prompts) if (id_ := prompt_ids.get(name)) is not None}
    model = {model_ids[name]: i for i, name in enumerate(votes.models)}
    ids: list[UUID] = []
    places = np.full((len(votes.prompts) + 1, len(votes.models)), MISSING, dtype=np.int32)  # the last row is no prompt
    for row in models.list_sole_outputs(session, prompt_set_id=prompt_set_id, model_ids=model_ids.values()):
        if row.prompt_id in prompt:
            places[prompt[row.prompt_id], model[row.model_id]] = len(ids)
            ids.append(UUID(str(row.id)))
    return Outputs(ids, places[votes.prompt, votes.model_a], places[votes.prompt, votes.model_b])


@dataclass(frozen=True, slots=True)
class Target:
    """The study that the rows of a file go to. Its models and prompts are by name, and all of the file's are known."""

    experiment_id: UUID
    model_ids: Mapping[str, UUID]
    prompt_ids: Mapping[str, UUID]
    now: datetime
    is_simulated: bool
    outputs: Outputs | None = None


def check_totals(votes: VoteColumns) -> None:
    """Raise BadFileError where two models have more votes between them than can be counted."""
    low, high = np.minimum(votes.model_a, votes.model_b), np.maximum(votes.model_a, votes.model_b)
    _, pair = np.unique(low * np.int64(len(votes.models)) + high, return_inverse=True)
    if np.bincount(pair, np.where(votes.is_counted, votes.weight, 0)).max(initial=0) > MOST_VOTES:
        raise BadFileError([RowProblem(0, f"Two models have more than {MOST_VOTES:,} votes between them.")])


def store_rows(session: Session, votes: VoteColumns, target: Target) -> None:
    """Store all of a file's rows, which ``check_totals`` lets through."""
    with imports.quickly(session):
        pair_ids, pair, is_swapped = _add_pairs(session, votes, target)
        numbers = vote_own.number_raters(votes)
        raters = _add_raters(session, votes, target, numbers)
        first, battle, is_skipped = _battles(votes)
        ids = vote_own.make_ids(session, votes, first)
        times = np.where(votes.voted_at == NEVER, microseconds(target.now), votes.voted_at)
        prompt_ids = [target.prompt_ids.get(name) for name in votes.prompts]
        columns: dict[str, Column] = {
            "id": Ids(ids.battles),
            "pair_id": Coded(pair_ids, pair[first]),
            "rater_id": Coded(raters, votes.rater[first]),
            "assigned_at": Times(times[first]),
            "shown_at": Times(times[first]),
            "is_a_left": Coded((False, True), _sides(votes, is_swapped)[first]),
            "status": Coded((BattleStatus.VOTED, BattleStatus.SKIPPED), is_skipped.astype(np.int8)),
        }
        if any(prompt_ids):
            columns["prompt_id"] = Coded(prompt_ids, votes.prompt[first])
        if (outputs := target.outputs) is not None:
            of_a, of_b = np.where(is_swapped, outputs.b, outputs.a), np.where(is_swapped, outputs.a, outputs.b)
            columns["generation_a_id"] = Coded(outputs.ids, of_a[first])
            columns["generation_b_id"] = Coded(outputs.ids, of_b[first])
        if votes.turn is not None:
            columns["turn"] = vote_own.coded(votes.turn[first], MISSING)
        if votes.own is not None:
            columns |= vote_own.battle_columns(votes.own, first)
        imports.add_battles(
            session,
            n=len(first),
            columns=columns,
            experiment_id=target.experiment_id,
            purpose=Purpose.IMPORTED,
            n_revisions=1,
        )
        _add_votes(session, votes, target, _Stored(ids.votes, ids.battles[battle], times, is_swapped))
        if votes.own is not None:
            has_set = bool(target.prompt_ids)
            vote_own.add_kept(session, votes.own, ids, numbers, experiment_id=target.experiment_id, has_set=has_set)


@dataclass(frozen=True, slots=True)
class _Stored:
    """What is known of each vote before it is stored; ``is_swapped`` says that its model a is the pair's model b."""

    ids: NDArray[np.uint8]
    battle_ids: NDArray[np.uint8]
    times: NDArray[np.int64]
    is_swapped: NDArray[np.bool_]


def _add_pairs(
    session: Session, votes: VoteColumns, target: Target
) -> tuple[list[UUID], NDArray[np.int64], NDArray[np.bool_]]:
    """Store the pair of each two models that met; their ids, each row's place among them, and whether it is swapped.

    Of two models the pair's model a is that of the first row on them, so that a file of ours names them as before.
    """
    n = np.int64(len(votes.models))
    low, high = np.minimum(votes.model_a, votes.model_b), np.maximum(votes.model_a, votes.model_b)
    both, first, pair = np.unique(low * n + high, return_index=True, return_inverse=True)
    of_a, of_b = votes.model_a[first].tolist(), votes.model_b[first].tolist()
    counted = votes.is_counted
    counts = np.zeros(len(both), dtype=np.int64)
    np.add.at(counts, pair[counted], votes.weight[counted])
    ids = [new_id() for _ in both]
    experiments.add_pairs(
        session,
        rows=[
            {
                "id": ids[position],
                "experiment_id": target.experiment_id,
                "position": position,
                "model_a_id": target.model_ids[votes.models[a]],
                "model_b_id": target.model_ids[votes.models[b]],
                "n_taken": n_votes,
                "n_votes": n_votes,
            }
            for position, (a, b, n_votes) in enumerate(zip(of_a, of_b, counts.tolist(), strict=True))
        ],
    )
    return ids, pair.astype(np.int64), votes.model_a != votes.model_a[first][pair]


def _add_raters(session: Session, votes: VoteColumns, target: Target, numbers: Mapping[str, int]) -> list[UUID]:
    """A pseudonymous account for every rater that the file names; see ``export_kept.numbers_given``."""
    study, n = secrets.token_hex(3), len(votes.raters)
    ids = imports.new_ids(n)
    if n:
        names = [pseudonym(study, numbers[name]) for name in votes.raters]
        imports.add_raters(
            session,
            n=n,
            columns={"id": Ids(ids), "name": Coded(names, np.arange(n))},
            role=Role.RATER,
            origin="simulated" if target.is_simulated else "import",
            experiment_id=target.experiment_id,
            is_blocked=True,  # nobody signs in as a rater of a file
            created_at=target.now,
        )
    return [UUID(bytes=one.tobytes()) for one in ids]


def _battles(votes: VoteColumns) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """The first row of each battle, the battle of each row, and which battles the rater couldn't judge."""
    n = len(votes)
    first = np.arange(n)
    battle = first if votes.battle is None else votes.battle.astype(np.int64)
    if votes.battle is not None:
        _, first = np.unique(battle, return_index=True)
    is_skipped = np.zeros(len(first), dtype=np.bool_)
    is_skipped[battle[votes.is_overall & (votes.outcome == MISSING)]] = True
    return first, battle, is_skipped


def _sides(votes: VoteColumns, is_swapped: NDArray[np.bool_]) -> NDArray[np.int8]:
    """1 where the pair's model a stood on the left, 0 where its model b did, else ``MISSING``."""
    turned = np.where(is_swapped, 1 - votes.left, votes.left)
    return np.where(votes.left == SIDE_UNKNOWN, MISSING, turned).astype(np.int8)


def _add_votes(session: Session, votes: VoteColumns, target: Target, stored: _Stored) -> None:
    outcome = np.where(stored.is_swapped, _TURNED[votes.outcome], votes.outcome)
    columns: dict[str, Column] = {
        "id": Ids(stored.ids),
        "battle_id": Ids(stored.battle_ids),
        "outcome": Coded(OUTCOMES, outcome),
        "act": Coded((Act.VOTE, Act.SKIP), (outcome == MISSING).astype(np.int8)),
        "voted_at": Times(stored.times),
    }
    fixed: dict[str, Any] = {"revision": 0, "is_late": False}
    if votes.own is None:
        fixed["input"] = Input.SIMULATED if target.is_simulated else Input.FILE
    else:
        columns |= vote_own.vote_columns(votes.own)
    if votes.criterion is None:
        fixed["criterion"] = OVERALL
    else:
        columns["criterion"] = Coded(votes.criteria, votes.criterion)
    if votes.is_staff is None:
        fixed["is_staff"] = False
    else:
        columns["is_staff"] = Coded((False, True), votes.is_staff.astype(np.int8))
    if (votes.weight == 1).all():
        fixed["weight"] = 1
    else:
        weights, weight = np.unique(votes.weight, return_inverse=True)
        columns["weight"] = Coded(weights.tolist(), weight)
    columns |= _said(votes.remarks, target.model_ids)
    imports.add_votes(session, n=len(votes), columns=columns, **fixed, **_UNSAID if not votes.remarks else {})


_UNSAID = {"comment": ""}


def _said(remarks: Mapping[int, Remarks], model_ids: Mapping[str, UUID]) -> dict[str, Column]:
    """The columns of what raters said beside the outcome; none where nobody said anything."""
    if not remarks:
        return {}
    said = {place: remark_columns(_with_ids(one, model_ids)) for place, one in remarks.items()}
    names: Sequence[str] = ("strength", "reasons", "comment", "skip_reason", "guesses")
    return {
        name: Each({place: one[name] for place, one in said.items()}, "" if name == "comment" else None)
        for name in names
    }


def _with_ids(said: Remarks, model_ids: Mapping[str, UUID]) -> Remarks:
    """Guesses as they are stored: ids in place of names."""

    def stored(guess: str | None) -> str | None:
        return model_ids[guess].hex if guess and guess != DONT_KNOW else guess

    if said.guess_left or said.guess_right:
        return replace(said, guess_left=stored(said.guess_left), guess_right=stored(said.guess_right))
    return said
