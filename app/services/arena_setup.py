"""Arenas for admins: which models can be asked live, what is missing before a start, and what fails while it runs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from app.connectors._registry import get_connector
from app.domain import Identity, Kind, Role, utc_now
from app.errors import BakeoffError
from app.services.arena_rest import HARMLESS, find_resting
from app.services.model_drafts import FILE, secret_of
from app.services.sign_in import require
from app.study import Arena, arena_of
from db import arena, arena_faults, experiments, models, prompts
from db.engine import Session, database

UNLIMITED_VOTES = 1_000_000_000  # votes per pair of an arena that goes on until somebody stops it


@dataclass(frozen=True, slots=True)
class LiveModel:
    """A model that an arena could ask."""

    id: UUID
    name: str


def list_live_models(actor: Identity | None) -> tuple[list[LiveModel], int]:
    """The models that can be asked, and how many can't since their outputs come as files."""
    require(actor, Role.RESEARCHER)
    with database().read() as session:
        rows = [row for row in models.list_models(session) if row.archived_at is None]
    found = [LiveModel(row.id, f"{row.name} {row.version}".strip()) for row in rows if row.connector != FILE]
    return found, len(rows) - len(found)


def rule_mistakes(rules: Arena) -> dict[str, str]:
    """What is wrong with an arena's limits, in words, by the field of ``Arena``."""
    cost, tokens = rules.most_cost, rules.most_tokens
    checks = (
        ("most_characters", 1 <= rules.most_characters <= 100_000, "A message may have 1 to 100,000 characters."),
        ("most_turns", 1 <= rules.most_turns <= 50, "A conversation may have 1 to 50 messages."),
        ("per_minute", 1 <= rules.per_minute <= 1_000, "Messages a minute must be between 1 and 1,000."),
        ("per_hour", 1 <= rules.per_hour <= 10_000, "Messages an hour must be between 1 and 10,000."),
        ("most_cost", cost is None or 0 < cost <= 1e9, "The budget must be above 0, or left empty."),
        ("most_tokens", tokens is None or 1 <= tokens <= 1_000_000, "An answer may have 1 to 1,000,000 tokens."),
    )
    return {field: message for field, is_right, message in checks if not is_right}


def find_problems(session: Session, model_ids: Iterable[UUID], rules: Arena) -> list[str]:
    """Why these models can't take part in an arena, in words; empty when all can be asked."""
    rows = [models.get_model(session, model_id=model_id) for model_id in model_ids]
    files = [row.name for row in rows if row.connector == FILE]
    problems = [f"{name}: its outputs come as a file, so it can't be asked live." for name in files]
    for row in rows:
        if row.connector == FILE:
            continue
        if row.archived_at is not None:
            problems.append(f"{row.name} was archived.")
        try:
            connector = get_connector(row.connector)
            connector.check(row.settings)
            secret_of(connector, row.secret_name)
        except BakeoffError as error:
            problems.append(f"{row.name} can't be asked: {error}")
        if rules.most_cost is not None and row.input_price is None and row.output_price is None:
            problems.append(f"{row.name} has no price, so the budget can't count it; 0 is a price too.")
    return problems


def add_prompt_set(session: Session, *, key: str, now: datetime) -> UUID:
    """A home for what the raters of an arena will ask; ordinary lists of prompt sets leave it out."""
    prompts.lock_names(session)
    name = f"What raters of the arena {key} asked"
    before = prompts.find_latest(session, name=name)
    version = before.version + 1 if before else 1
    row = prompts.add_prompt_set(session, name=name, version=version, content_hash=f"arena {key} {version}", now=now)
    return row.id


def describe_arenas(actor: Identity | None, experiment_ids: Iterable[UUID]) -> Mapping[UUID, list[str]]:
    """What an admin should know of arenas while they run: what was spent, and which models failed how often and why."""
    require(actor, Role.ADMIN)
    found: dict[UUID, list[str]] = {}
    with database().read() as session:
        for experiment_id in experiment_ids:
            study = experiments.get_experiment(session, experiment_id=experiment_id)
            if study.kind == Kind.ARENA and study.prompt_set_id is not None:
                found[experiment_id] = _describe(session, study.prompt_set_id, arena_of(study.arena))
    return found


def _describe(session: Session, prompt_set_id: UUID, rules: Arena) -> list[str]:
    said = []
    spent = arena.sum_costs(session, prompt_set_id=prompt_set_id)
    if rules.most_cost is not None:
        full = " Nothing more is asked." if spent >= rules.most_cost else ""
        said.append(f"Spent ${spent:,.2f} of ${rules.most_cost:,.2f}, as far as the endpoints count tokens.{full}")
    elif spent:
        said.append(f"Spent ${spent:,.2f}; there is no budget that ends it.")
    if n_unknown := arena.count_unknown_costs(session, prompt_set_id=prompt_set_id):
        those = "one answer that broke off" if n_unknown == 1 else f"{n_unknown:,} answers that broke off"
        said.append(f"What {those} cost is unknown: the endpoint had not told all of its tokens by then.")
    for row in arena_faults.list_troubles(session, prompt_set_id=prompt_set_id, harmless=HARMLESS):
        times = "once" if row.n_failed == 1 else f"{row.n_failed:,} times"
        asked = "once" if row.n_asked == 1 else f"{row.n_asked:,} times"
        said.append(f"{row.name} was asked {asked} and failed {times}; raters got other pairs. Last: {row.last}")
    now = utc_now()
    for rest in find_resting(session, prompt_set_id=prompt_set_id, now=now).values():
        minutes = max(1, math.ceil((rest.until - now).total_seconds() / 60))
        said.append(f"{rest.name} failed {rest.n_failed:,} times in a row and rests, for {minutes} min at most.")
    return said
