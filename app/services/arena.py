"""Arenas for raters: ask two unnamed models the same, go on talking, vote, and only then see the names."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from app.domain import Act, Answer, BattleStatus, ExperimentStatus, GenerationStatus, Identity, Outcome, Study, utc_now
from app.errors import ConflictError, InvalidInputError, VoteRefusedError
from app.services import voting
from app.services.arena_draw import ALIVE_S, start_round
from app.services.arena_rest import HARMLESS
from app.services.arena_rounds import MOST_ROUNDS, is_spent
from app.services.normalising import normalised
from app.services.shown import WITHDRAWN
from app.services.typed_text import checked_text
from app.study import Arena, Shows, arena_of, asks_of, shows_of
from db import arena, battles
from db.columns import new_id
from db.engine import Row, Session, database

_NOBODY = "No two models can answer that right now. Your text is kept; please try again in a while."
_ASKING, _FAILED = GenerationStatus.ASKING, GenerationStatus.FAILED
# A vote and a further message that are sent from two tabs at once: one comes first, and the other is then refused.
_one_act = threading.Lock()
_CHANGED = "Not saved: these answers have changed since, in another tab perhaps. Look again."
_TAKEN_OUT = "Not saved: one of the two answers was withdrawn meanwhile."
_GONE = "This arena is gone. Nothing was asked; your text is kept."


class Phase(StrEnum):
    """Where a conversation stands: being answered, to be judged, broken off without two answers, or judged."""

    WRITING = "writing"
    READY = "ready"
    STOPPED = "stopped"
    JUDGED = "judged"


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of the rater and what the two sides answered."""

    asked: str
    left: str = ""
    right: str = ""


@dataclass(frozen=True, slots=True)
class BlindRound:
    """A conversation with two unnamed models. There is no field for a model, latency or token count.

    ``is_replaced`` says that another pair had failed to answer before, ``is_withdrawn`` that an answer that was there
    was taken out before the vote. While answers are written, ``turns`` has what the rater asked only.
    """

    battle_id: UUID
    phase: Phase
    turns: tuple[Turn, ...]
    is_replaced: bool
    is_withdrawn: bool


@dataclass(frozen=True, slots=True)
class Reveal:
    """Who was who, once the vote is stored; ``answer`` is what was voted."""

    left: str
    right: str
    answer: Answer


@dataclass(frozen=True, slots=True)
class ArenaScreen:
    """What the arena page shows; ``quota`` is the number of votes asked of this rater, if there is one."""

    study: Study
    rules: Arena
    n_votes: int
    quota: int | None
    round: BlindRound | None
    reveal: Reveal | None = None
    is_normalised: bool = False

    @property
    def is_done(self) -> bool:
        """Whether this rater has cast all votes that are asked of them."""
        return self.quota is not None and self.n_votes >= self.quota


def find_screen(rater: Identity) -> ArenaScreen | None:
    """The arena that is open to this rater and their conversation in it; None when there is no arena for them."""
    with database().read() as session:
        study = arena.find_study(session, experiment_id=rater.experiment_id)
        if study is None or study.started_at is None:
            return None
        mine = {"rater_id": rater.account_id, "experiment_id": study.id}
        n_votes, latest = arena.count_voted(session, **mine), arena.find_round(session, **mine)
        shows = shows_of(study.shows)
        found = None if latest is None else _blind(latest, shows)
        names = None
        if found is not None and found.phase == Phase.JUDGED:
            names = _revealed(arena.get_names(session, battle_id=latest.id), is_a_left=latest.is_a_left)
    return ArenaScreen(
        study=Study(study.id, study.title, study.guidelines, ExperimentStatus(study.status), asks=asks_of(study.asks)),
        rules=arena_of(study.arena),
        n_votes=n_votes,
        quota=study.votes_per_rater,
        round=found,
        reveal=names,
        is_normalised=shows.is_normalised,
    )


def turn_of(asked: str, left: str = "", right: str = "", *, is_normalised: bool) -> Turn:
    """A turn as it is shown, be its answers whole or still growing."""
    return Turn(asked, normalised(left), normalised(right)) if is_normalised else Turn(asked, left, right)


def _blind(row: Any, shows: Shows) -> BlindRound:
    phase = _phase(row)
    texts = [message["content"] for message in row.messages]
    sides = _unless_withdrawn(row.parts_a, row.status_a), _unless_withdrawn(row.parts_b, row.status_b)
    left, right = sides if row.is_a_left else sides[::-1]
    turns = tuple(Turn(text) for text in texts)
    if phase in (Phase.READY, Phase.JUDGED):
        turns = tuple(
            turn_of(text, one["text"], other["text"], is_normalised=shows.is_normalised)
            for text, one, other in zip(texts, left, right, strict=False)
        )
    return BlindRound(row.id, phase, turns, row.n_rounds > 1, _is_taken_out(row))


def _unless_withdrawn(parts: list[dict[str, str]], status: str) -> list[dict[str, str]]:
    """An answer as its rater may see it."""
    return parts if status == GenerationStatus.OK else [{"text": WITHDRAWN} for _ in parts]


def _phase(row: Any) -> Phase:
    if row.status in (BattleStatus.VOTED, BattleStatus.SKIPPED):
        return Phase.JUDGED
    # A pair that was replaced or given up has no lease; a battle that was left unanswered has one that ran out.
    if row.lease_until is None:
        return Phase.STOPPED
    if row.status_a == row.status_b == GenerationStatus.OK:
        return Phase.READY
    is_alive = row.status == BattleStatus.OPEN and row.lease_until > utc_now()
    return Phase.WRITING if is_alive and _ASKING in (row.status_a, row.status_b) else Phase.STOPPED


def _is_taken_out(row: Any) -> bool:
    """Whether both answers were whole and one of them may not be shown any more; what was given up has no lease."""
    is_whole = row.lease_until is not None and _ASKING not in (row.status_a, row.status_b)
    return is_whole and _phase(row) == Phase.STOPPED


def _revealed(row: Row, *, is_a_left: bool) -> Reveal:
    names = [" ".join(filter(None, one)) for one in ((row.name_a, row.version_a), (row.name_b, row.version_b))]
    left, right = names if is_a_left else reversed(names)
    if row.act == Act.SKIP:
        return Reveal(left, right, Answer.SKIP)
    if row.outcome in (Outcome.TIE, Outcome.BOTH_BAD):
        return Reveal(left, right, Answer(row.outcome.value))
    return Reveal(left, right, Answer.LEFT if (row.outcome == Outcome.MODEL_A) == is_a_left else Answer.RIGHT)


# ------------------------------------------------------------------------------------------------ asking


def ask_prompt(rater: Identity, experiment_id: UUID, text: str) -> UUID:
    """Store a new prompt and the battle of two models that are to answer it; returns the battle.

    Raises InvalidInputError for a text that can't be asked, ConflictError when nothing can be asked now; nothing is
    stored then.
    """
    with database().write() as session:
        study, latest = _open_study(session, rater, experiment_id)
        text = _checked(text, arena_of(study.arena))
        if latest is not None and _phase(latest) == Phase.WRITING:
            raise ConflictError("Your last prompt is still being answered; see above.")
        if latest is not None and _phase(latest) == Phase.READY:
            raise ConflictError("Your last prompt waits for your vote first; “Can't judge” is an answer too.")
        _close_dead(session, latest)
        prompt_id = new_id()
        arena.add_prompt(
            session, prompt_id=prompt_id, prompt_set_id=study.prompt_set_id, text=text, content_hash=_hash([text])
        )
        battle_id = start_round(
            session, study, rater_id=rater.account_id, prompt_id=prompt_id, number=0, without=frozenset()
        )
        if battle_id is None:
            raise ConflictError(_NOBODY)
    return battle_id


def ask_follow_up(rater: Identity, experiment_id: UUID, battle_id: UUID, text: str) -> UUID:
    """Ask the two models of a battle something more; returns the battle. Raises like ``ask_prompt``."""
    with _one_act, database().write() as session:
        study, latest = _open_study(session, rater, experiment_id)
        rules = arena_of(study.arena)
        text = _checked(text, rules)
        if latest is None or latest.id != battle_id or _phase(latest) != Phase.READY:
            raise ConflictError("This conversation has moved on, in another tab perhaps. Your text is kept.")
        if latest.status != BattleStatus.OPEN:
            raise ConflictError("This conversation stood open for too long to go on with it; you can still vote on it.")
        if len(latest.messages) >= rules.most_turns:
            raise ConflictError(f"A conversation here has {rules.most_turns} messages at most. Vote, then begin anew.")
        now = utc_now()
        messages = [*latest.messages, {"role": "user", "content": text}]
        hash_ = _hash([message["content"] for message in messages])
        arena.set_messages(session, prompt_id=latest.prompt_id, messages=messages, content_hash=hash_)
        answers = [latest.generation_a_id, latest.generation_b_id]
        if arena.ask_again(session, generation_ids=answers, now=now) < len(answers):
            raise ConflictError("One of the two answers was withdrawn meanwhile. Your text is kept.")
        arena.hold(session, battle_id=battle_id, lease_until=now + timedelta(seconds=ALIVE_S))
    return battle_id


def ask_again(rater: Identity, experiment_id: UUID, battle_id: UUID) -> UUID:
    """Have a prompt whose answers were broken off answered by a pair anew; returns its battle.

    Models that failed at it before may try once more, since what was wrong may have passed.
    """
    with database().write() as session:
        study, latest = _open_study(session, rater, experiment_id)
        if latest is None or latest.id != battle_id or _phase(latest) != Phase.STOPPED:
            raise ConflictError("This conversation has moved on, in another tab perhaps.")
        _close_dead(session, latest)
        following = start_round(
            session,
            study,
            rater_id=rater.account_id,
            prompt_id=latest.prompt_id,
            number=latest.n_rounds,
            without=frozenset(),
        )
        if following is None:
            raise ConflictError(_NOBODY)
    return following


def _open_study(session: Session, rater: Identity, experiment_id: UUID) -> tuple[Row, Any]:
    """The arena with voting held, and the rater's latest battle; raises ConflictError when nothing may be asked."""
    battles.lock_voting(session, experiment_id=experiment_id)
    study = arena.find_study(session, experiment_id=experiment_id)
    if study is None or rater.experiment_id not in (None, study.id):
        raise ConflictError(_GONE)
    mine = {"rater_id": rater.account_id, "experiment_id": study.id}
    if study.status == ExperimentStatus.PAUSED:
        raise ConflictError("This arena is paused, so nothing was asked. Your text is kept; try again later.")
    if study.status != ExperimentStatus.RUNNING:
        raise ConflictError("This arena has ended, so nothing was asked. Thank you; your votes are saved.")
    if study.votes_per_rater is not None and arena.count_voted(session, **mine) >= study.votes_per_rater:
        raise ConflictError("You have cast all votes that are asked of you here. Thank you!")
    rules = arena_of(study.arena)
    _require_patience(session, rules, mine)
    if is_spent(session, study):
        raise ConflictError("This arena has used up its budget, so nothing was asked. Your votes are saved.")
    return study, arena.find_round(session, **mine)


def _require_patience(session: Session, rules: Arena, mine: Mapping[str, UUID]) -> None:
    now = utc_now()
    for most, seconds, unit in ((rules.per_minute, 60, "minute"), (rules.per_hour, 3600, "hour")):
        since = now - timedelta(seconds=seconds)
        asked = arena.list_asked(session, **mine, since=since)
        # A conversation from before counts as one more: all its messages but the last may be older. Pairs that took the
        # place of others count only beyond those that one message may need.
        n = sum(len(row.messages) if row.first_at > since else 1 for row in asked)
        n += sum(max(0, row.n_rounds - MOST_ROUNDS) for row in asked)
        if n >= most:
            raise ConflictError(f"{most} messages a {unit} are the most here. Your text is kept; wait a little.")


def _checked(text: str, rules: Arena) -> str:
    text = checked_text(text, what="your message", longest=rules.most_characters)
    if not text:
        raise InvalidInputError("Write something first.")
    return text


def _hash(texts: Sequence[str]) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()


def _close_dead(session: Session, latest: Any) -> None:
    """End a battle whose answers nobody writes any more, since the process that did has died."""
    if latest is None or _phase(latest) != Phase.STOPPED:
        return
    dead = (side.generation_id for side in arena.list_sides(session, battle_id=latest.id) if side.status == _ASKING)
    arena.settle(session, rows=[{"generation_id": id_, "status": _FAILED, "error": HARMLESS[-1]} for id_ in dead])
    if (pair_id := arena.close_round(session, battle_id=latest.id)) is not None:
        battles.count_pair(session, pair_id=pair_id, taken=-1, votes=0)


# ------------------------------------------------------------------------------------------------ judging


def cast(
    rater: Identity,
    experiment_id: UUID,
    battle_id: UUID,
    answer: Answer,
    *,
    n_turns: int,
    drawn_at: datetime,
    criteria: Mapping[str, Answer] = voting.NOTHING,
) -> None:
    """Store a vote on what was on the screen: this battle after so many messages; committed when this returns.

    The first answer wins, as everywhere. Raises VoteRefusedError when the conversation has gone on since.
    """
    with _one_act:
        with database().read() as session:
            latest = arena.find_round(session, rater_id=rater.account_id, experiment_id=experiment_id)
        is_this = latest is not None and latest.id == battle_id
        if is_this and _phase(latest) == Phase.JUDGED:
            return
        if not is_this or len(latest.messages) != n_turns or _phase(latest) != Phase.READY:
            raise VoteRefusedError(_TAKEN_OUT if is_this and _is_taken_out(latest) else _CHANGED)
        voting.cast_vote(rater, battle_id, answer, drawn_at=drawn_at, criteria=criteria)


def has_arena(rater: Identity) -> bool:
    """Whether the study that this rater was invited to is an arena."""
    if rater.experiment_id is None:
        return False
    with database().read() as session:
        return arena.find_study(session, experiment_id=rater.experiment_id) is not None
