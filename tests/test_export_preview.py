"""The preview of an export is read once for all who look, and again as soon as anything changed that it shows."""

from __future__ import annotations

from uuid import UUID

import pytest
from sqlalchemy import text

from app.domain import Answer, LeakChoice, Role
from app.errors import InvalidInputError, NotAllowedError
from app.services import export_preview, export_state, leak_check, participation, remarks, serving, voting
from app.services.export_preview import Preview
from app.services.vote_export import Wanted
from app.study import Flow
from db.engine import Database
from tests.studies import person, study
from tests.test_exports import cast
from tests.test_leading import led_study, vote_on
from tests.test_remarks import ALL


@pytest.fixture
def n_read(monkeypatch: pytest.MonkeyPatch) -> list[UUID]:
    """The studies whose votes were read for a preview."""
    read, real = list[UUID](), export_preview._preview

    def counting(experiment_id: UUID, wanted: Wanted) -> Preview:
        read.append(experiment_id)
        return real(experiment_id, wanted)

    monkeypatch.setattr(export_preview, "_preview", counting)
    return read


def look(experiment_id: UUID, key: str = "jsonl") -> Preview:
    return export_preview.begin_preview(None, experiment_id, Wanted(key)).result()


def test_votes_are_read_once_while_nothing_changes(store: Database, n_read: list[UUID]) -> None:
    id_, other = study(n_prompts=8), study(n_prompts=8)
    cast(id_, person(experiment_id=id_), [Answer.LEFT] * 3)
    assert [look(id_).n_votes for _ in range(3)] == [3, 3, 3]
    cast(other, person(experiment_id=other), [Answer.LEFT])
    person(experiment_id=other)
    assert look(id_) == export_preview.preview_export(None, id_, Wanted())
    assert look(id_, "trl_preference").n_votes == 3
    assert n_read.count(id_) <= 4, "each format once, one again after the invite, and the one that isn't kept"


def test_each_change_that_a_file_would_have_is_seen_at_once(store: Database, n_read: list[UUID]) -> None:
    id_ = study(n_prompts=8, n_models=2, asks=ALL)
    rater = person(experiment_id=id_)
    ballot = serving.next_battle(rater)
    assert ballot is not None and ballot.battle is not None
    voting.cast_vote(rater, ballot.battle.id, Answer.LEFT, criteria={"accuracy": Answer.LEFT})
    before = look(id_)
    remarks.remark(rater, ballot.battle.id, comment="Far better.")
    assert "Far better." not in str(before.lines) and "Far better." in str(look(id_).lines)
    voting.undo_vote(rater, id_)
    assert look(id_, "comparisons").n_votes == 0
    n = len(n_read)
    with store.read() as session:
        model_id = session.execute(text("SELECT model_id FROM arm LIMIT 1")).scalar_one()
    leak_check.choose_for_model(None, UUID(str(model_id)), LeakChoice.KEEP)  # as any act of an admin may change a text
    look(id_)
    look(id_)
    assert len(n_read) == n + 1


def test_who_withdraws_is_in_no_preview_from_then_on(store: Database, n_read: list[UUID]) -> None:
    id_ = led_study(Flow(consent="Be kind."), n_prompts=8)
    rater = person(experiment_id=id_)
    serving.next_battle(rater)
    participation.agree(rater, id_)
    vote_on(rater, 3)
    assert look(id_).n_votes == 3
    participation.withdraw(rater, id_)
    assert look(id_).n_votes == 0


def test_what_is_looked_at_is_left_behind_after_a_while_and_nothing_is_missed(
    store: Database, n_read: list[UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export_state, "OVERLAP_MS", 0)
    monkeypatch.setattr(export_state, "_LOOKED_BACK_MS", 0)
    id_ = study(n_prompts=8)
    rater = person(experiment_id=id_)
    for n in range(1, 4):
        cast(id_, rater, [Answer.LEFT])
        assert [look(id_).n_votes for _ in range(3)] == [n, n, n]
        assert len(n_read) == n


def test_what_is_kept_is_for_researchers_alone_and_a_mistake_is_not_kept(store: Database) -> None:
    id_ = study(n_prompts=8)
    cast(id_, person(experiment_id=id_), [Answer.LEFT])
    look(id_)
    with pytest.raises(NotAllowedError):
        export_preview.begin_preview(person(Role.RATER, id_), id_, Wanted())
    for _ in range(2):
        with pytest.raises(InvalidInputError, match="not as 'xlsx'"):
            look(id_, "xlsx")
