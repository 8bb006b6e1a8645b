"""Looking into a study's battles, on both databases: what matches, what is shown of it, and what nobody is shown."""

from __future__ import annotations

import io
import json
from datetime import date
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from app.domain import Answer, Identity, Purpose, Role
from app.errors import InvalidInputError, NotAllowedError, NotFoundError
from app.services import (
    explore,
    explore_battles,
    explore_prompts,
    generations,
    hidden_results,
    prompt_sets,
    remarks,
    serving,
    sign_in,
    vote_files,
    vote_store,
    voting,
)
from app.services.explore import Wanted
from app.services.explore_battles import SeenBattle
from app.services.vote_store import StudyVotes
from app.study import Asks, Criterion, Flow
from db.engine import Database
from tests.studies import jsonl, person, study
from tests.test_leading import is_bad, is_good, led_study, vote_on

ASKS = Asks((Criterion("tone", "Tone"),), strength=True, reasons=True, comment=True, skip_reason=True)


@pytest.fixture(autouse=True)
def _nothing_read() -> None:
    vote_store.forget()


def vote(rater: Identity, answer: Answer, **said: Any) -> UUID:
    """Answer the next battle, with remarks."""
    ballot = serving.next_battle(rater)
    assert ballot is not None and ballot.battle is not None
    voting.cast_vote(rater, ballot.battle.id, answer)
    for name, value in said.items():
        remarks.remark(rater, ballot.battle.id, **{name: value})
    return ballot.battle.id


def find(votes: StudyVotes, page: int = 1, **wanted: Any) -> list[SeenBattle]:
    found = explore.find_battles(None, votes, Wanted(**wanted), page=page)
    return explore_battles.read_battles(None, votes, found.battles)


def imported(rows: list[dict[str, Any]], **options: Any) -> StudyVotes:
    votes = "\n".join(json.dumps(row) for row in rows).encode()
    return vote_store.read(vote_files.import_votes(None, io.BytesIO(votes), title="A file", **options).experiment_id)


def with_prompts(*rows: dict[str, Any], outputs: tuple[tuple[str, str, str], ...] = ()) -> StudyVotes:
    prompts = prompt_sets.import_prompts(
        None,
        jsonl(
            {"id": "rain", "prompt": "Write of rain.", "tags": {"category": "writing"}},
            {"id": "sum", "prompt": "What is 2 + 2?", "tags": {"category": "maths"}},
        ),
        name="Two",
    )
    if outputs:
        lines = ({"prompt_id": prompt, "model": model, "output": output} for prompt, model, output in outputs)
        generations.import_generations(None, jsonl(*lines), prompt_set_id=prompts.id)
    return imported(list(rows), prompt_set_id=prompts.id)


def row(winner: str, prompt: str = "rain", rater: str = "r0", **more: Any) -> dict[str, Any]:
    return {"left": "Ash", "right": "Birch", "winner": winner, "prompt_id": prompt, "rater": rater, **more}


def test_a_battle_is_shown_as_its_rater_saw_it_with_the_names_and_all_that_was_said(store: Database) -> None:
    study_id, rater = study(n_models=2, asks=ASKS), person()
    ballot = serving.next_battle(rater)
    assert ballot is not None and ballot.battle is not None
    voting.cast_vote(rater, ballot.battle.id, Answer.LEFT, criteria={"tone": Answer.TIE})
    remarks.remark(rater, ballot.battle.id, strength="clearly", left=("clear",), comment="It knows <b>.")
    (seen,) = find(vote_store.read(study_id))
    assert (seen.screen.left, seen.screen.right) == (ballot.battle.left, ballot.battle.right)
    assert seen.screen.prompt == ballot.battle.prompt
    # "answer i j" is what model i says to prompt j
    assert [side.model for side in seen.sides] == [
        f"Model {one.split()[1]}" for one in (seen.screen.left, seen.screen.right)
    ]
    assert seen.answers == (("overall", Answer.LEFT), ("tone", Answer.TIE))
    assert seen.remarks.left == ("clear",) and seen.remarks.comment == "It knows <b>."
    assert seen.rater == 1 and seen.purpose == Purpose.NORMAL and not seen.is_staff
    assert explore_battles.get_battle(None, vote_store.read(study_id), seen.id) == seen


def test_filters_by_model_opponent_and_outcome_agree_with_the_battles(store: Database) -> None:
    study_id, raters = study(n_models=3, n_prompts=6), [person(), person()]
    answers = [Answer.LEFT, Answer.RIGHT, Answer.TIE, Answer.BOTH_BAD, Answer.SKIP, Answer.LEFT]
    for rater in raters:
        for answer in answers:
            vote(rater, answer)
    votes = vote_store.read(study_id)
    whole = find(votes)
    assert len(whole) == 12

    def winner(seen: SeenBattle) -> str:
        place = {Answer.LEFT: 0, Answer.RIGHT: 1}.get(seen.answers[0][1])
        return "" if place is None else seen.sides[place].model

    for place, name in enumerate(votes.models):
        with_it = {seen.id for seen in whole if name in {side.model for side in seen.sides}}
        assert {seen.id for seen in find(votes, model=place)} == with_it
        won = {seen.id for seen in whole if winner(seen) == name}
        assert {seen.id for seen in find(votes, model=place, outcome="won")} == won
        lost = {seen.id for seen in whole if winner(seen) not in {"", name} and seen.id in with_it}
        assert {seen.id for seen in find(votes, model=place, outcome="lost")} == lost
        for other in range(place):
            both = {seen.id for seen in whole if {side.model for side in seen.sides} == {name, votes.models[other]}}
            assert {seen.id for seen in find(votes, model=place, against=other)} == both
    for outcome, answer in (("tie", Answer.TIE), ("both_bad", Answer.BOTH_BAD), ("skip", Answer.SKIP)):
        assert {seen.answers[0][1] for seen in find(votes, outcome=outcome)} == {answer}
    assert len(find(votes, outcome="decided")) == 6
    assert len(find(votes, rater=0)) == len(find(votes, rater=1)) == 6
    with pytest.raises(InvalidInputError, match="Choose the model"):
        find(votes, outcome="won")
    with pytest.raises(InvalidInputError, match="no outcome"):
        find(votes, outcome="nobody")


def test_pages_and_orders_have_each_battle_once(store: Database) -> None:
    times = [f"2024-01-{1 + i % 28:02d}T10:00:{i:02d}Z" for i in range(45)]
    study_id = with_prompts(*(row("left", voted_at=time) for time in times)).experiment_id
    with store.write() as session:  # a file doesn't tell for how long somebody looked
        for place, (id_,) in enumerate(session.execute(text("SELECT id FROM vote ORDER BY id")).all()[:-1]):
            session.execute(
                text("UPDATE vote SET dwell_ms = :ms WHERE id = :id"), {"ms": place * 37 % 45 * 100, "id": id_}
            )
    vote_store.forget()
    votes = vote_store.read(study_id)
    for order in explore_orders():
        pages = [explore.find_battles(None, votes, Wanted(order=order), page=page) for page in (1, 2, 3)]
        assert [len(page.battles) for page in pages] == [20, 20, 5]
        assert explore.find_battles(None, votes, Wanted(order=order), page=99) == pages[-1]
        assert len({id_ for page in pages for id_ in page.battles}) == 45
        assert {page.n_pages for page in pages} == {3}
    newest = find(votes, order="newest")
    assert [seen.voted_at for seen in newest] == sorted((seen.voted_at for seen in newest), reverse=True)  # type: ignore[type-var]
    known = sorted(place * 37 % 45 * 100 for place in range(44))
    assert [seen.dwell_ms for seen in find(votes, order="shortest")][:3] == known[:3]
    assert [seen.dwell_ms for seen in find(votes, order="longest")][:3] == known[::-1][:3]
    assert find(votes, 3, order="longest")[-1].dwell_ms is find(votes, 3, order="shortest")[-1].dwell_ms is None
    assert len(find(votes, since=date(2024, 1, 28))) == 1
    assert len(find(votes, until=date(2024, 1, 1))) == 2


def explore_orders() -> tuple[str, ...]:
    return ("newest", "split", "longest", "shortest")


def test_the_most_split_prompt_and_pair_comes_first(store: Database) -> None:
    one_mind = [row("left", "rain", f"r{i}") for i in range(4)]
    split = [row(winner, "sum", f"r{i}") for i, winner in enumerate(("left", "right", "left", "right", "tie"))]
    votes = with_prompts(*one_mind, *split)
    n, cells = explore.list_split_cells(None, votes, Wanted())
    assert n == 1, "where all agree, nobody disagrees"
    assert votes.models == ("Ash", "Birch")
    assert sorted(cells[0].counts[:2]) == [2, 2] and cells[0].counts[2:] == (1, 0)
    assert cells[0].against == 3
    assert cells[0].disagreement == pytest.approx(0.8)
    assert [seen.prompt_name for seen in find(votes, order="split")] == ["sum"] * 5 + ["rain"] * 4
    (shown,) = explore_prompts.read_texts(None, votes, [cells[0].prompt]).values()
    assert (shown.name, shown.text) == ("sum", "What is 2 + 2?")
    assert explore.list_split_cells(None, votes, Wanted(tags=(("category", "writing"),)))[0] == 0
    # A filter by rater chooses cells and leaves the others' votes in them.
    _, of_rater = explore.list_split_cells(None, votes, Wanted(rater=4))
    assert of_rater == cells


def test_words_are_found_in_prompts_outputs_and_comments(store: Database) -> None:
    outputs = (("rain", "Ash", "Drops FALL on text."), ("rain", "Birch", "Über den Dächern"), ("sum", "Ash", "4"))
    votes = with_prompts(row("left"), row("tie", "sum", comment="Too short, 100%"), outputs=outputs)

    def names(words: str, place: str = "anywhere") -> list[str]:
        return sorted(seen.prompt_name for seen in find(votes, words=words, place=place))

    assert names("rain") == names("RAIN", "prompts") == ["rain"]
    assert names("fall drops") == names("fall", "outputs") == ["rain"]
    assert names("dächern") == ["rain"]
    assert names("fall short") == [], "all words in one place"
    assert names("short 100%") == names("short", "comments") == ["sum"]
    assert names("rain", "outputs") == names("rain", "comments") == []
    assert names("type") == [], "the frame of what is stored is no word of it"
    assert names("text", "outputs") == ["rain"]
    assert names("1_0", "comments") == []


def test_outputs_of_a_file_of_votes_come_from_the_store_or_are_said_to_be_missing(store: Database) -> None:
    votes = with_prompts(row("left"), row("left", "sum"), outputs=(("rain", "Ash", "Drops."),))
    (rain,) = [seen for seen in find(votes) if seen.prompt_name == "rain"]
    assert [(side.model, side.has_output) for side in rain.sides] == [("Ash", True), ("Birch", False)]
    assert rain.screen.left == "Drops." and "came from a file" in rain.sides[0].note
    (bare,) = find(imported([{"left": "Ash", "right": "Birch", "winner": "left"}]))
    assert not bare.has_prompt and not any(side.has_output for side in bare.sides)
    assert bare.rater is None and bare.voted_at is not None
    two = find(imported([{"left": "Ash", "right": "Birch", "winner": "left"}] * 2))
    assert [seen.voted_at for seen in two] == [None, None], "the file doesn't say when"


def test_comments_of_blocked_raters_are_hidden_and_who_withdrew_is_gone(store: Database) -> None:
    study_id, asked = study(n_models=2, n_prompts=8, asks=ASKS), {"comment": "Mine", "left": ("clear",)}
    stays, blocked, leaves = person(), person(), person()
    mine, theirs, gone = (vote(rater, Answer.LEFT, **asked) for rater in (stays, blocked, leaves))
    votes = vote_store.read(study_id)
    assert len(find(votes, has_comment=True)) == 3
    sign_in.block_person(None, account_id=blocked.account_id, is_blocked=True)
    with store.write() as session:
        session.execute(
            text(
                "INSERT INTO participation (id, experiment_id, account_id, panel, external_id, panel_values,"
                " created_at, ended_at) VALUES (:id, :study, :rater, '', '', '{}', :now, :now)"
            ),
            {
                "id": _stored(store, uuid4()),
                "study": _stored(store, study_id),
                "rater": _stored(store, leaves.account_id),
                "now": "2026-01-01 00:00:00",
            },
        )
    votes = vote_store.read(study_id)
    assert {seen.id for seen in find(votes, has_comment=True)} == {mine}
    assert {seen.id for seen in find(votes, words="mine", place="comments")} == {mine}
    seen = {one.id: one for one in find(votes)}
    assert set(seen) == {mine, theirs}
    assert seen[theirs].is_comment_hidden and seen[theirs].remarks.comment == ""
    with pytest.raises(NotFoundError):
        explore_battles.get_battle(None, votes, gone)
    assert explore.count_reasons(None, votes, Wanted()).n_votes == 2


def _stored(store: Database, id_: UUID) -> str:
    return id_.hex if store.is_sqlite else str(id_)


def test_a_comment_that_was_changed_is_found_by_its_new_words_alone(store: Database) -> None:
    study_id, rater = study(n_models=2, asks=ASKS), person()
    battle_id = vote(rater, Answer.LEFT, comment="first thought")
    remarks.remark(rater, battle_id, comment="second thought")
    votes = vote_store.read(study_id)
    assert find(votes, words="first", place="comments") == []
    assert [seen.id for seen in find(votes, words="second", place="comments")] == [battle_id]
    voting.undo_vote(rater, study_id)
    votes = vote_store.read(study_id)
    assert find(votes) == find(votes, has_comment=True) == []


def test_reasons_are_counted_for_the_model_that_stood_on_the_side(store: Database) -> None:
    study_id, rater = study(n_models=2, n_prompts=6, asks=ASKS), person()
    for _ in range(4):
        vote(rater, Answer.LEFT, left=("clear",), right=("wrong", "unsafe"))
    votes = vote_store.read(study_id)
    seen = find(votes)
    found = explore.count_reasons(None, votes, Wanted())
    for name in votes.models:
        on_left = sum(one.sides[0].model == name for one in seen)
        counts = found.by_model.get(name, {})
        assert (counts.get("clear", 0), counts.get("wrong", 0), counts.get("unsafe", 0)) == (
            on_left,
            4 - on_left,
            4 - on_left,
        )
    assert (found.n_votes, found.is_cut) == (4, False)
    assert explore.count_reasons(None, votes, Wanted(outcome="tie")).by_model == {}


def test_one_prompt_across_all_models_is_sorted_by_rating_with_its_own_win_rates(store: Database) -> None:
    rows = [row("left", "rain", f"r{i}") for i in range(6)] + [row("right", "rain", "r7"), row("tie", "rain", "r8")]
    rows += [row("right", "sum", f"r{i}") for i in range(3)]
    votes = with_prompts(*rows, outputs=(("rain", "Ash", "Drops."),))
    n, listed = explore_prompts.list_prompts(None, votes, Wanted())
    assert n == 2 and [(one.name, one.n_votes, one.n_models) for one in listed] == [("rain", 8, 2), ("sum", 3, 2)]
    assert [one.name for one in explore_prompts.list_prompts(None, votes, Wanted(words="what"))[1]] == ["sum"]
    found = explore_prompts.get_prompt(None, votes, UUID(votes.prompts[listed[0].number]), Wanted())
    assert [one.model for one in found.models] == ["Ash", "Birch"]
    ash, birch = found.models
    assert ash.win_rate == pytest.approx(6.5 / 8) and birch.win_rate == pytest.approx(1.5 / 8)
    assert ash.lower < 6.5 / 8 < ash.upper and ash.n_votes == 8
    assert ash.rating is not None and birch.rating is not None and ash.rating > birch.rating
    assert ash.screen.left == "Drops." and ash.has_output and not birch.has_output
    with pytest.raises(NotFoundError):
        explore_prompts.get_prompt(None, votes, uuid4(), Wanted())


def test_checks_and_repeats_are_listed_apart_from_votes(store: Database) -> None:
    study_id = led_study(Flow(gold_every=3, repeat_every=4), n_gold=5, n_models=3, n_prompts=20, votes_per_pair=100)
    rater = person()
    vote_on(rater, 12)
    vote_on(rater, 12, is_bad)
    votes = vote_store.read(study_id)
    checks, repeats, normal = (find(votes, kind=kind) for kind in ("gold", "repeat", "normal"))
    assert {seen.purpose for seen in checks} == {Purpose.GOLD}
    assert {seen.purpose for seen in repeats} == {Purpose.REPEAT}
    assert {seen.purpose for seen in normal} == {Purpose.NORMAL}
    assert {seen.sides[0].model for seen in repeats} <= set(votes.models)
    for seen in checks:
        assert seen.expected == is_good(seen.screen) and not seen.sides[0].model
    assert {seen.answers[0][1] == seen.expected for seen in checks} == {True, False}
    assert [seen.voted_at for seen in checks] == sorted((seen.voted_at for seen in checks), reverse=True)  # type: ignore[type-var]
    assert find(votes, kind="gold", rater=0) == checks
    assert find(votes, kind="gold", model=0) == find(votes, kind="gold", outcome="tie") == []
    assert explore_battles.get_battle(None, votes, checks[0].id) == checks[0]


def test_a_rater_is_refused_by_every_service(store: Database) -> None:
    study_id, rater = study(n_models=2), person(Role.RATER)
    battle_id = vote(rater, Answer.LEFT)
    votes = vote_store.read(study_id)
    with pytest.raises(NotAllowedError):
        hidden_results.read_votes(rater, study_id)
    with pytest.raises(NotAllowedError):
        explore.find_battles(rater, votes, Wanted())
    with pytest.raises(NotAllowedError):
        explore_battles.get_battle(rater, votes, battle_id)
    with pytest.raises(NotAllowedError):
        explore.list_split_cells(rater, votes, Wanted())
    with pytest.raises(NotAllowedError):
        explore.count_reasons(rater, votes, Wanted())
    with pytest.raises(NotAllowedError):
        explore_prompts.list_prompts(rater, votes, Wanted())
    with pytest.raises(NotAllowedError):
        explore_prompts.get_prompt(rater, votes, UUID(votes.prompts[0]), Wanted())
