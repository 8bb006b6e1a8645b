"""Battles as results show them: the screen with the models' names, the answer, and what was said beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from app.domain import Answer, BlindBattle, GenerationStatus, Identity, Purpose, Role
from app.errors import NotFoundError
from app.services import rater_board, vote_origin
from app.services.shown import blind
from app.services.sides import to_answer
from app.services.sign_in import require
from app.services.vote_store import StudyVotes
from app.study import OVERALL, Remarks, remarks_of
from db import experiments, explore
from db.engine import Row, Session, database
from db.screens import Content

_FOUND = "The votes came from a file; this is the output that is stored for the prompt."
NO_PARTS: list[dict[str, Any]] = [{"type": "text", "text": ""}]


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a battle: the model's label, blank for a pair with a known answer, and what to say of its output."""

    model: str
    has_output: bool
    note: str = ""


@dataclass(frozen=True, slots=True)
class SeenBattle:
    """A battle with its live answer. ``screen`` is what the rater saw, texts of what isn't stored being blank.

    ``sides`` are left and right as on the screen, or models a and b where nobody told (``has_sides``). ``answers`` are
    (criterion, what was said of the sides) with the overall one first, ``remarks`` has no comment where it may not be
    read (``is_comment_hidden``), ``voted_at`` is None where a file doesn't tell. ``expected`` is the
    known answer of a check.
    """

    id: UUID
    screen: BlindBattle
    sides: tuple[Side, Side]
    has_prompt: bool
    has_sides: bool
    prompt_id: UUID | None
    prompt_name: str
    tags: Mapping[str, str]
    answers: tuple[tuple[str, Answer], ...]
    remarks: Remarks
    is_comment_hidden: bool
    rater: int | None
    voted_at: datetime | None
    dwell_ms: int | None
    purpose: Purpose
    is_staff: bool
    weight: int
    expected: Answer | None


def read_battles(actor: Identity | None, study: StudyVotes, battles: Sequence[UUID]) -> list[SeenBattle]:
    """These battles of the study in their order; one that was taken back meanwhile is left out."""
    require(actor, Role.RESEARCHER)
    if not battles:
        return []
    with database().read() as session:
        rows = explore.list_battles(session, experiment_id=study.experiment_id, battle_ids=battles)
        said: dict[UUID, dict[str, Row]] = {}
        for vote in explore.list_votes(session, battle_ids=battles):
            said.setdefault(vote.battle_id, {})[vote.criterion] = vote
        of_study = experiments.get_experiment(session, experiment_id=study.experiment_id)
        labels = _labels(study)
        models = {id_: (row.model_a_id, row.model_b_id) for id_, row in rows.items() if row.model_a_id is not None}
        outputs = _missing_outputs(session, rows, models)
    numbers = dict(zip(study.raters, rater_board.numbers(study).tolist(), strict=True))
    is_found = vote_origin.is_file_without_texts(of_study.stop_reason)
    context = _Context(labels, models, outputs, of_study.shows, numbers, _has_times(study), is_found)
    return [context.seen(rows[id_], said[id_]) for id_ in battles if id_ in rows and OVERALL in said.get(id_, {})]


def get_battle(actor: Identity | None, study: StudyVotes, battle_id: UUID) -> SeenBattle:
    """One battle of the study. Raises NotFoundError for another study's, or one whose answer was taken back."""
    found = read_battles(actor, study, [battle_id])
    if not found:
        raise NotFoundError("There is no such answered battle in this study.")
    return found[0]


def _has_times(study: StudyVotes) -> bool:
    """Not where all votes have one time: their file doesn't say when, and they have that of the import."""
    times = study.columns.voted_at
    return len(times) < 2 or bool(times.min() != times.max())


def _labels(study: StudyVotes) -> dict[UUID, str]:
    return dict(zip(study.model_ids, study.models, strict=True))


def _missing_outputs(
    session: Session, rows: Mapping[UUID, Row], models: Mapping[UUID, tuple[UUID, UUID]]
) -> dict[tuple[UUID, UUID], Row]:
    """What is stored for the prompts and models of battles that came from a file, which names no outputs."""
    open_ = [row for row in rows.values() if row.generation_a_id is None and row.prompt_id and row.id in models]
    if not open_:
        return {}
    return explore.list_outputs(
        session,
        prompt_ids=list({row.prompt_id for row in open_}),
        model_ids=list({model for row in open_ for model in models[row.id]}),
    )


@dataclass(frozen=True)
class _Context:
    """What all battles of a page share."""

    labels: Mapping[UUID, str]
    models: Mapping[UUID, tuple[UUID, UUID]]
    outputs: Mapping[tuple[UUID, UUID], Row]
    shows: Mapping[str, Any]
    numbers: Mapping[str, int]
    has_times: bool
    is_found: bool  # the file of the votes doesn't name outputs, so these were looked up by prompt and model

    def seen(self, row: Row, said: Mapping[str, Row]) -> SeenBattle:
        overall = said[OVERALL]
        has_sides = row.is_a_left is not None
        is_a_left = row.is_a_left if has_sides else True
        (parts_a, side_a), (parts_b, side_b) = self._side(row, 0), self._side(row, 1)
        left, right = (parts_a, parts_b) if is_a_left else (parts_b, parts_a)
        content = Content(explore.messages_of(row.messages), left, right, row.attachments or ())
        remarks = remarks_of(overall)
        is_hidden = bool(row.is_blocked) and bool(remarks.comment)
        return SeenBattle(
            id=row.id,
            screen=blind(row.id, content, {"shows": self.shows, "flow": {"must_play": False}}),
            sides=(side_a, side_b) if is_a_left else (side_b, side_a),
            has_prompt=bool(content.prompt),
            has_sides=has_sides,
            prompt_id=row.prompt_id,
            prompt_name=row.external_id or "",
            tags=row.tags or {},
            answers=tuple(
                (name, to_answer(vote.outcome, is_a_left=is_a_left)) for name, vote in sorted(said.items(), key=_place)
            ),
            remarks=replace(remarks, comment="") if is_hidden else remarks,
            is_comment_hidden=is_hidden,
            rater=self.numbers.get(row.rater_id.hex) if row.rater_id else None,
            voted_at=overall.voted_at if self.has_times else None,
            dwell_ms=overall.dwell_ms,
            purpose=Purpose(row.purpose),
            is_staff=overall.is_staff,
            weight=overall.weight,
            expected=_expected(row.expected, is_a_left=is_a_left) if row.expected else None,
        )

    def _side(self, row: Row, place: int) -> tuple[list[dict[str, Any]], Side]:
        own, known = (row.parts_a, row.gold_a) if place == 0 else (row.parts_b, row.gold_b)
        if row.id not in self.models:  # a pair with a known answer
            return [{"type": "text", "text": known or ""}], Side("", has_output=known is not None)
        model = self.models[row.id][place]
        label = self.labels.get(model, "A model that is gone")
        if own is not None:
            status = row.status_a if place == 0 else row.status_b
            return own or NO_PARTS, Side(
                label, has_output=bool(own), note=status_note(status) or _FOUND * self.is_found
            )
        stored = self.outputs.get((row.prompt_id, model))
        if stored is None or not stored.parts:
            return NO_PARTS, Side(label, has_output=False)
        return stored.parts, Side(label, has_output=True, note=_FOUND)


def _expected(known: str, *, is_a_left: bool) -> Answer:
    """The known answer on this screen; its file speaks of left and right as in the file, where a is left."""
    if known == Answer.LEFT:
        return Answer.LEFT if is_a_left else Answer.RIGHT
    if known == Answer.RIGHT:
        return Answer.RIGHT if is_a_left else Answer.LEFT
    return Answer(known)


def _place(item: tuple[str, Row]) -> tuple[bool, str]:
    return item[0] != OVERALL, item[0]


def status_note(status: str) -> str:
    """What a reader has to know of an output that raters aren't shown any more; blank for an ordinary one."""
    if status == GenerationStatus.FLAGGED:
        return "This output names its maker; raters aren't shown it until an admin decides."
    return "" if status == GenerationStatus.OK else f"This output is {status}; raters aren't shown it any more."
