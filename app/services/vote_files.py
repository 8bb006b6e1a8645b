"""Votes from and to files: a study that was held elsewhere comes in whole, any study goes out as rows."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import combinations
from typing import Any, BinaryIO, cast
from uuid import UUID

from app import __version__
from app.discovery import find_plugins
from app.domain import (
    Act,
    BattleStatus,
    ExperimentStatus,
    Identity,
    Input,
    Outcome,
    Purpose,
    Role,
    VoteRow,
    utc_now,
)
from app.errors import BadFileError, InvalidInputError, RowProblem
from app.services.experiments import free_key
from app.services.sign_in import actor_id, require
from app.services.typed_text import checked_name
from app.services.vote_rows import Hashed, VotesPreview, count_raters, count_votes, list_names, read_votes
from db import accounts, audit, battles, experiments, models, prompts, votes
from db.columns import new_id
from db.engine import Row, Session, database


@dataclass(frozen=True, slots=True)
class VoteImport:
    """What an import of votes made."""

    experiment_id: UUID
    key: str
    n_votes: int
    n_raters: int
    n_models: int
    is_new: bool = True


def check_votes(actor: Identity | None, stream: BinaryIO, *, prompt_set_id: UUID | None = None) -> VotesPreview:
    """What ``import_votes`` would do with a file; raises BadFileError naming every bad row."""
    require(actor, Role.ADMIN)
    rows = read_votes(stream)
    with database().read() as session:
        _match_prompts(session, rows, prompt_set_id)
        known = models.list_model_names(session)
    named = list_names(rows)
    return VotesPreview(
        tuple(rows),
        count_votes(rows),
        count_raters(rows),
        tuple(named),
        tuple(name for name in named if name not in known),
    )


def import_votes(
    actor: Identity | None,
    stream: BinaryIO,
    *,
    title: str,
    prompt_set_id: UUID | None = None,
    is_simulated: bool = False,
) -> VoteImport:
    """Store a file of votes as a completed experiment; models that nobody knows are made.

    The same file for the same prompt set again is recognised and not stored twice. With
    ``prompt_set_id`` the prompt of every row must be in that set. Raises BadFileError naming every bad row, and nothing
    is stored then.
    """
    require(actor, Role.ADMIN)
    title = checked_name(title, what="the title")
    hashed = Hashed(stream)
    rows, now = read_votes(cast("BinaryIO", hashed)), utc_now()
    is_simulated = is_simulated or any(row.columns.get("input") == Input.SIMULATED for row in rows)
    n_votes = count_votes(rows)
    origin = f"These votes came from a file (SHA-256 {hashed.hexdigest()[:16]})."
    with database().write() as session:
        if (known := _find_import(session, origin, prompt_set_id)) is not None:
            return VoteImport(known.id, known.key, int(known.n_votes), count_raters(rows), known.n_models, is_new=False)
        prompt_ids = _match_prompts(session, rows, prompt_set_id)
        model_ids = _match_models(session, rows, now)
        experiment = experiments.add_experiment(
            session,
            key=free_key(session, title),
            title=title,
            status=ExperimentStatus.COMPLETED,
            prompt_set_id=prompt_set_id,
            votes_per_pair=1,
            min_dwell_ms=0,
            is_simulated=is_simulated,
            created_at=now,
            started_at=now,
            ended_at=now,
            stop_reason=origin,
        )
        experiments.set_arms(session, experiment_id=experiment.id, model_ids=model_ids.values())
        pairs = _add_pairs(session, experiment.id, rows, model_ids)
        rater_ids = _add_raters(session, rows, experiment.id, now, is_simulated=is_simulated)
        _add_rows(session, rows, _Target(experiment.id, pairs, prompt_ids, rater_ids, now, is_simulated))
        details = {"n_votes": n_votes, "n_models": len(model_ids), "n_raters": len(rater_ids)}
        _log(session, actor, "vote.import", experiment.key, now, details)
    return VoteImport(experiment.id, experiment.key, n_votes, len(rater_ids), len(model_ids))


def _find_import(session: Session, origin: str, prompt_set_id: UUID | None) -> Row | None:
    """The experiment that an import of the same file for the same prompt set made."""
    return next(
        (
            row
            for row in experiments.list_experiments(session)
            if row.stop_reason == origin and row.prompt_set_id == prompt_set_id
        ),
        None,
    )


def _log(
    session: Session, actor: Identity | None, action: str, subject: str, now: datetime, details: dict[str, int]
) -> None:
    audit.add_event(session, at=now, actor_id=actor_id(actor), action=action, subject=subject, details=details)


def _match_prompts(session: Session, rows: list[VoteRow], prompt_set_id: UUID | None) -> dict[str, UUID]:
    if prompt_set_id is None:
        return {}
    prompts.get_prompt_set(session, prompt_set_id=prompt_set_id)
    known = {row.external_id: row.id for row in prompts.list_prompts(session, prompt_set_id=prompt_set_id)}
    problems = [
        RowProblem(row.line, f"prompt {row.prompt_id!r} is not in this prompt set")
        for row in rows
        if row.prompt_id is not None and row.prompt_id not in known
    ]
    if problems:
        raise BadFileError(problems)
    return known


def _match_models(session: Session, rows: list[VoteRow], now: datetime) -> dict[str, UUID]:
    named = list_names(rows)
    known = models.list_model_names(session)
    new = {name: new_id() for name in named if name not in known}
    if new:
        blank = {"version": "", "connector": "file", "provider_id": "", "organisation": "", "licence": ""}
        models.add_models(
            session, rows=[{"id": id_, "name": name, **blank, "created_at": now} for name, id_ in new.items()]
        )
    return {name: new.get(name) or known[name] for name in named}


def _add_pairs(
    session: Session, experiment_id: UUID, rows: list[VoteRow], model_ids: Mapping[str, UUID]
) -> dict[frozenset[str], tuple[UUID, str]]:
    """The pair of each two models, with the name of its model a."""
    counts: dict[frozenset[str], int] = {}
    for row in rows:
        both = frozenset((row.model_a, row.model_b))
        counts[both] = counts.get(both, 0) + int(row.weight)
    pairs = {frozenset((a, b)): (new_id(), a) for a, b in combinations(model_ids, 2) if frozenset((a, b)) in counts}
    experiments.add_pairs(
        session,
        rows=[
            {
                "id": pair_id,
                "experiment_id": experiment_id,
                "position": position,
                "model_a_id": model_ids[a],
                "model_b_id": model_ids[next(iter(both - {a}))],
                "n_taken": counts[both],
                "n_votes": counts[both],
            }
            for position, (both, (pair_id, a)) in enumerate(pairs.items())
        ],
    )
    return pairs


def _add_raters(
    session: Session, rows: list[VoteRow], experiment_id: UUID, now: datetime, *, is_simulated: bool
) -> dict[str, UUID]:
    """A pseudonymous account for every rater that the file names."""
    named = sorted({row.rater for row in rows if row.rater is not None})
    study = secrets.token_hex(3)
    rater_ids = {name: new_id() for name in named}
    if named:
        accounts.add_accounts(
            session,
            rows=[
                {
                    "id": rater_ids[name],
                    "name": f"rater-{study}-{number}",
                    "role": Role.RATER,
                    "origin": "simulated" if is_simulated else "import",
                    "experiment_id": experiment_id,
                    "is_blocked": True,  # nobody signs in as a rater of a file
                    "created_at": now,
                }
                for number, name in enumerate(named, start=1)
            ],
        )
    return rater_ids


_SWAPPED = {Outcome.MODEL_A: Outcome.MODEL_B, Outcome.MODEL_B: Outcome.MODEL_A}


@dataclass(frozen=True, slots=True)
class _Target:
    """Where the rows of a file go."""

    experiment_id: UUID
    pairs: Mapping[frozenset[str], tuple[UUID, str]]
    prompt_ids: Mapping[str, UUID]
    rater_ids: Mapping[str, UUID]
    now: datetime
    is_simulated: bool


def _add_rows(session: Session, rows: list[VoteRow], target: _Target) -> None:
    battle_rows, vote_rows = [], []
    for row in rows:
        battle, vote = _columns(row, target)
        battle_rows.append(battle)
        vote_rows.append(vote)
    battles.add_battles(session, rows=battle_rows)
    votes.add_votes(session, rows=vote_rows)


def _columns(row: VoteRow, target: _Target) -> tuple[dict[str, Any], dict[str, Any]]:
    """The battle and the vote that stand for one row; model a is the pair's, whatever the row calls it."""
    pair_id, first = target.pairs[frozenset((row.model_a, row.model_b))]
    is_swapped = row.model_a != first
    battle_id, voted_at = new_id(), row.voted_at or target.now
    battle = {
        "id": battle_id,
        "experiment_id": target.experiment_id,
        "pair_id": pair_id,
        "prompt_id": target.prompt_ids.get(row.prompt_id) if row.prompt_id is not None else None,
        "generation_a_id": None,
        "generation_b_id": None,
        "rater_id": target.rater_ids.get(row.rater) if row.rater is not None else None,
        "is_a_left": None if row.left is None else (row.left == "model_a") != is_swapped,
        "status": BattleStatus.VOTED,
        "purpose": Purpose.IMPORTED,
        "propensity": None,
        "assigned_at": voted_at,
        "shown_at": voted_at,
        "lease_until": None,
        "n_revisions": 1,
    }
    vote = {
        "id": new_id(),
        "battle_id": battle_id,
        "criterion": "overall",
        "revision": 0,
        "act": Act.VOTE,
        "outcome": _SWAPPED.get(row.outcome, row.outcome) if is_swapped else row.outcome,
        "weight": int(row.weight),
        "voted_at": voted_at,
        "dwell_ms": None,
        "input": Input.SIMULATED if target.is_simulated else Input.FILE,
        "is_staff": row.columns.get("rater_group") == "staff",
        "is_late": False,
        "superseded_by": None,
    }
    return battle, vote


def export_votes(actor: Identity | None, experiment_id: UUID, stream: BinaryIO, *, file_format: str) -> int:
    """Write every vote of an experiment in our own columns, those that a rater changed later included and marked.

    Returns the rows written. ``file_format`` is "votes_jsonl" or "votes_csv". Raters appear under a pseudonym.
    """
    require(actor, Role.RESEARCHER)
    writers = {key: module for key, module in find_plugins("app.formats").items() if module.KIND == "votes"}
    if file_format not in writers:
        raise InvalidInputError(f"Votes can be written as {', '.join(sorted(writers))}; not as {file_format!r}.")
    with database().read() as session:
        experiments.get_experiment(session, experiment_id=experiment_id)
        written: int = writers[file_format].write(_export_rows(session, experiment_id), stream)
    return written


def _export_rows(session: Session, experiment_id: UUID) -> Iterator[dict[str, Any]]:
    numbers: dict[UUID, int] = {}
    for row in votes.stream_votes(session, experiment_id=experiment_id):
        if row.outcome is None:  # a skip, or the row that records an undo
            continue
        number = numbers.setdefault(row.rater_id, len(numbers) + 1) if row.rater_id else None
        exported = _export_row(row, None if number is None else f"rater-{number}")
        for _ in range(row.weight):
            yield exported


def _export_row(row: Row, rater: str | None) -> dict[str, Any]:
    left = None if row.is_a_left is None else ("model_a" if row.is_a_left else "model_b")
    return {
        "vote_id": str(row.vote_id),
        "experiment": row.experiment,
        "prompt_set": row.prompt_set,
        "prompt_set_version": row.prompt_set_version,
        "prompt_id": row.prompt_id,
        "turn": 1,
        "model_a": row.model_a,
        "model_b": row.model_b,
        "version_a": row.version_a,
        "version_b": row.version_b,
        "left": left,
        "outcome": row.outcome.value,
        "criterion": row.criterion,
        "rater": rater,
        "rater_group": "staff" if row.is_staff else "rater",
        "shown_at": row.shown_at,
        "voted_at": row.voted_at,
        "dwell_ms": row.dwell_ms,
        "input": row.input.value,
        "is_gold": row.purpose == Purpose.GOLD,
        "propensity": row.propensity,
        "allocation": row.allocation,
        "superseded_by": None if row.superseded_by is None else str(row.superseded_by),
        "app_version": __version__,
    }
