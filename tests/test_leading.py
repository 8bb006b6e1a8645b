"""How a study leads its raters: consent, practice, attention checks, repeats, and how it ends for each."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from app.domain import Answer, Ballot, BlindBattle, ExperimentStatus, Identity, Purpose, utc_now
from app.errors import ConflictError, InvalidInputError, VoteRefusedError
from app.services import experiments, leading, participation, serving, voting
from app.services.gold_files import import_gold
from app.services.pair_counts import forget_counts
from app.study import Consent, Ending, Farewell, Feedback, Flow, Practice
from db.engine import Database
from tests.studies import jsonl, person, study


def known(n: int, gold: str = "left") -> list[dict[str, object]]:
    """Pairs whose right answer begins with "good"; the reason says why."""
    return [
        {"prompt": f"known {i}", "left": f"good {i}", "right": f"bad {i}", "gold": gold, "reason": f"because {i}"}
        for i in range(n)
    ]


def led_study(flow: Flow, *, n_practice: int = 0, n_gold: int = 0, **options: Any) -> UUID:
    """A running study that leads its raters so, with known pairs."""
    id_ = study(flow=flow, is_started=False, **options)
    if n_practice:
        import_gold(None, jsonl(*known(n_practice)), experiment_id=id_, purpose=Purpose.PRACTICE)
    if n_gold:
        import_gold(None, jsonl(*known(n_gold)), experiment_id=id_, purpose=Purpose.GOLD)
    experiments.start_experiment(None, id_)
    return id_


def screen(rater: Identity) -> Ballot:
    ballot = serving.next_battle(rater)
    assert ballot is not None
    return ballot


def is_good(battle: BlindBattle) -> Answer:
    """The expected answer to a known pair, wherever its sides stand; Left to all others."""
    return Answer.RIGHT if battle.right.startswith("good") else Answer.LEFT


def is_bad(battle: BlindBattle) -> Answer:
    return Answer.RIGHT if is_good(battle) == Answer.LEFT else Answer.LEFT


def vote_on(rater: Identity, n: int, answer: Any = is_good) -> list[BlindBattle]:
    """Answer up to ``n`` battles."""
    seen = []
    for _ in range(n):
        battle = screen(rater).battle
        if battle is None:
            break
        seen.append(battle)
        voting.cast_vote(rater, battle.id, answer(battle))
    return seen


def purposes(store: Database, rater: Identity) -> list[str]:
    with store.read() as session:
        rows = session.connection().execute(
            text("SELECT purpose FROM battle WHERE rater_id = :rater ORDER BY assigned_at, id"),
            {"rater": rater.account_id.hex if store.is_sqlite else rater.account_id},
        )
        return [row.purpose for row in rows]


def scalar(store: Database, sql: str) -> Any:
    with store.read() as session:
        return session.connection().execute(text(sql)).scalar_one()


# ---------------------------------------------------------------------------------------------------- consent


def test_nothing_is_shown_before_the_rater_agreed_and_the_time_is_stored(store: Database) -> None:
    id_ = led_study(Flow(consent="You take part freely."))
    rater = person()
    ballot = screen(rater)
    assert (ballot.battle, ballot.step) == (None, Consent("You take part freely."))
    assert scalar(store, "SELECT count(*) FROM battle") == 0
    before = utc_now()
    participation.agree(rater, id_)
    assert screen(rater).battle is not None
    with store.read() as session:
        at = session.execute(text("SELECT consented_at FROM participation")).scalar_one()
    assert str(at)[:10] == f"{before:%Y-%m-%d}"


def test_who_declines_is_asked_nothing_and_can_think_again(store: Database) -> None:
    id_ = led_study(Flow(consent="Text."))
    rater = person()
    screen(rater)
    participation.decline(rater, id_)
    assert screen(rater).step == Consent("Text.", is_declined=True)
    participation.reconsider(rater, id_)
    assert screen(rater).step == Consent("Text.")
    participation.agree(rater, id_)
    with pytest.raises(ConflictError, match="agreed already"):
        participation.decline(rater, id_)


def test_who_withdraws_votes_no_more_and_their_places_are_free_again(store: Database) -> None:
    id_ = led_study(Flow(consent="Text."), n_models=2, n_prompts=4, votes_per_pair=4)
    rater = person()
    screen(rater)
    participation.agree(rater, id_)
    vote_on(rater, 2)
    open_ = screen(rater).battle
    assert open_ is not None
    participation.withdraw(rater, id_)
    participation.withdraw(rater, id_)
    assert screen(rater).step == Farewell(None)
    assert scalar(store, "SELECT n_taken + n_votes FROM pair") == 0
    with pytest.raises(ConflictError, match="ended for you"):
        voting.cast_vote(rater, open_.id, Answer.LEFT)
    with pytest.raises(ConflictError, match="ended for you"):
        voting.undo_vote(rater, id_)
    participation.agree(rater, id_)
    assert screen(rater).step == Farewell(None)
    assert scalar(store, "SELECT n_taken + n_votes FROM pair") == 0


# ---------------------------------------------------------------------------------------------------- practice


def test_practice_comes_first_with_feedback_and_is_not_counted(store: Database) -> None:
    id_ = led_study(Flow(needs_practice=True), n_practice=2)
    rater = person()
    ballot = screen(rater)
    assert ballot.step == Practice(1, 2)
    assert ballot.battle is not None
    _, following = voting.cast_vote(rater, ballot.battle.id, is_bad(ballot.battle))
    assert following is None
    after = screen(rater)
    assert after == screen(rater), "a reload shows the same feedback"
    assert after.battle is not None and after.battle.left == ballot.battle.left
    assert after.step == Feedback(
        number=1,
        n_pairs=2,
        answer=is_bad(ballot.battle),
        expected=is_good(ballot.battle),
        reason="because 0",
        can_start=False,
        is_last=False,
    )
    with pytest.raises(ConflictError, match="each practice pair"):
        participation.begin(rater, id_)
    participation.practise(rater, id_)
    participation.practise(rater, id_)
    assert screen(rater).step == Practice(2, 2)
    vote_on(rater, 1)
    last = screen(rater).step
    assert isinstance(last, Feedback) and last.is_last and last.can_start and last.answer == last.expected
    participation.begin(rater, id_)
    first = screen(rater)
    assert (first.step, first.n_votes) == (None, 0)
    assert first.battle is not None and first.battle.left.startswith("answer")
    assert purposes(store, rater) == ["practice", "practice", "normal"]
    assert scalar(store, "SELECT sum(n_votes) FROM pair") == 0


def test_practice_can_be_repeated_and_left_at_any_time_then(store: Database) -> None:
    id_ = led_study(Flow(needs_practice=True), n_practice=2)
    rater = person()
    for _ in range(2):
        vote_on(rater, 1)
        participation.practise(rater, id_)
    assert screen(rater).step == Practice(1, 2)
    vote_on(rater, 1, lambda _: Answer.SKIP)
    step = screen(rater).step
    assert isinstance(step, Feedback) and (step.number, step.answer, step.can_start) == (1, Answer.SKIP, True)
    participation.begin(rater, id_)
    assert screen(rater).step is None


def test_practice_is_not_taken_back(store: Database) -> None:
    id_ = led_study(Flow(needs_practice=True), n_practice=1)
    rater = person()
    vote_on(rater, 1)
    with pytest.raises(VoteRefusedError):
        voting.undo_vote(rater, id_)


# ---------------------------------------------------------------------------------------------------- checks


def test_one_battle_in_gold_every_is_a_check_at_a_place_that_chance_chooses(store: Database) -> None:
    led_study(Flow(gold_every=5), n_gold=20, n_models=4, n_prompts=20, votes_per_pair=100)
    places: Counter[int] = Counter()
    for _ in range(12):
        rater = person()
        vote_on(rater, 20)
        kinds = purposes(store, rater)[:20]
        for block in range(4):
            (place,) = [i for i in range(5) if kinds[5 * block + i] == "gold"]
            places[place] += 1
        assert kinds[0] == "normal"
    assert set(places) == {0, 1, 2, 3, 4}


def test_a_check_looks_like_any_battle_and_counts_in_the_rater_s_progress(store: Database) -> None:
    led_study(Flow(gold_every=2), n_gold=3, votes_per_rater=6)
    rater = person()
    seen = vote_on(rater, 20)
    assert len(seen) == 6
    assert {type(battle) for battle in seen} == {BlindBattle}
    ballot = screen(rater)
    assert (ballot.n_votes, ballot.quota) == (6, 6)
    assert ballot.step == Farewell(Ending.DONE)
    n_gold = purposes(store, rater).count("gold")
    assert n_gold == 3
    assert scalar(store, "SELECT sum(n_votes) FROM pair") == 6 - n_gold


def test_no_known_pair_is_shown_twice_to_one_rater(store: Database) -> None:
    led_study(Flow(gold_every=2), n_gold=2, n_prompts=20)
    rater = person()
    seen = vote_on(rater, 20)
    assert sum(battle.prompt[0].content.startswith("known") for battle in seen) == 2


def test_who_fails_too_many_checks_is_thanked_and_sent_away(store: Database) -> None:
    id_ = led_study(
        Flow(gold_every=2, most_failed_checks=1, code_done="D1", code_screened_out="S1"), n_gold=5, n_prompts=20
    )
    rater = person()
    vote_on(rater, 40, is_bad)
    assert purposes(store, rater).count("gold") == 2
    ballot = screen(rater)
    assert (ballot.battle, ballot.step) == (None, Farewell(Ending.SCREENED_OUT, code="S1"))
    assert scalar(store, "SELECT sum(n_votes) + sum(n_taken) FROM pair") == 0, "others can fill these places"
    with pytest.raises(ConflictError, match="ended for you"):
        voting.undo_vote(rater, id_)


def test_a_check_answered_right_or_not_at_all_fails_nobody(store: Database) -> None:
    led_study(Flow(gold_every=2, most_failed_checks=0), n_gold=3, n_prompts=20, votes_per_pair=100)
    careful, shy = person(), person()
    assert len(vote_on(careful, 30)) == 30
    vote_on(shy, 30, lambda battle: Answer.SKIP if battle.prompt[0].content.startswith("known") else Answer.LEFT)
    assert screen(shy).step is None


def test_a_check_that_was_taken_back_and_answered_right_is_no_failure(store: Database) -> None:
    id_ = led_study(Flow(gold_every=2, most_failed_checks=1), n_gold=1, n_prompts=20)
    rater = person()
    while not (battle := vote_on(rater, 1, is_bad)[0]).prompt[0].content.startswith("known"):
        pass
    voting.undo_vote(rater, id_)
    again = screen(rater).battle
    assert again is not None and again.id == battle.id
    voting.cast_vote(rater, again.id, is_good(again))
    with store.read() as session:
        from db import participation as rows

        assert rows.count_failed(session, rater_id=rater.account_id, experiment_id=id_) == 0


# ---------------------------------------------------------------------------------------------------- repeats


def test_a_repeat_shows_an_earlier_battle_with_its_sides_swapped_and_is_not_counted(store: Database) -> None:
    led_study(Flow(repeat_every=4), n_models=3, n_prompts=20, votes_per_pair=100)
    rater = person()
    seen = vote_on(rater, 40)
    kinds = purposes(store, rater)[:40]
    assert 8 <= kinds.count("repeat") <= 10
    where = {(b.prompt, b.left, b.right): i for i, b in enumerate(seen) if kinds[i] == "normal"}
    for i, battle in enumerate(seen):
        if kinds[i] == "repeat":
            first = where[battle.prompt, battle.right, battle.left]
            assert i - first > leading.LEAST_GAP
    assert len(where) == kinds.count("normal"), "no battle comes twice but as a repeat"
    assert scalar(store, "SELECT count(DISTINCT repeat_of) FROM battle WHERE status = 'voted'") == kinds.count("repeat")
    assert scalar(store, "SELECT sum(n_votes) FROM pair") == kinds.count("normal")


# ---------------------------------------------------------------------------------------------------- the end


def test_who_comes_when_all_places_are_taken_gets_the_code_for_over_quota(store: Database) -> None:
    flow = Flow(panel=leading.PROLIFIC, code_done="D1", code_over_quota="O1")
    id_ = led_study(flow, n_models=2, n_prompts=2, votes_per_pair=2)
    early = person(experiment_id=id_)
    vote_on(early, 9)
    back = "https://app.prolific.com/submissions/complete?cc="
    assert screen(early).step == Farewell(Ending.DONE, "D1", back + "D1")
    assert screen(person(experiment_id=id_)).step == Farewell(Ending.OVER_QUOTA, "O1", back + "O1")


def test_an_ending_with_a_code_is_final(store: Database) -> None:
    """Who was told to go back to the panel isn't asked again when a place becomes free."""
    id_ = led_study(Flow(code_done="D1", code_over_quota="O1"), n_models=2, n_prompts=2, votes_per_pair=1)
    holder, late = person(experiment_id=id_), person(experiment_id=id_)
    assert screen(holder).battle is not None
    assert screen(late).step == Farewell(Ending.OVER_QUOTA, "O1")
    with store.write() as session:
        session.execute(text("UPDATE battle SET lease_until = :then"), {"then": utc_now() - timedelta(hours=1)})
    forget_counts(id_)
    assert screen(late).step == Farewell(Ending.OVER_QUOTA, "O1")
    assert screen(person(experiment_id=id_)).battle is not None


def test_agreement_with_others_is_told_where_the_study_allows_it(store: Database) -> None:
    led_study(Flow(shows_agreement=True), n_models=2, n_prompts=12, votes_per_pair=100, votes_per_rater=12)
    ballots = []
    for answer in (Answer.TIE, Answer.TIE, Answer.BOTH_BAD):
        rater = person()
        vote_on(rater, 20, lambda _, answer=answer: answer)
        ballots.append(screen(rater).step)
    assert ballots == [
        Farewell(Ending.DONE),
        Farewell(Ending.DONE, agreement=1.0),
        Farewell(Ending.DONE, agreement=0.0),
    ]


def test_a_paused_study_asks_nothing_and_goes_on_where_the_rater_stood(store: Database) -> None:
    id_ = led_study(Flow(consent="Text.", needs_practice=True), n_practice=1)
    rater = person(experiment_id=id_)
    screen(rater)
    participation.agree(rater, id_)
    assert screen(rater).step == Practice(1, 1)
    experiments.pause_experiment(None, id_)
    vote_on(rater, 1)
    paused = screen(rater)
    assert (paused.step, paused.battle, paused.study.status) == (None, None, ExperimentStatus.PAUSED)
    experiments.resume_experiment(None, id_)
    assert isinstance(screen(rater).step, Feedback)


def test_a_battle_for_practice_that_was_left_is_shown_again(store: Database) -> None:
    id_ = led_study(Flow(needs_practice=True), n_practice=1)
    rater = person(experiment_id=id_)
    assert screen(rater).step == Practice(1, 1)
    with store.write() as session:
        session.execute(text("UPDATE battle SET lease_until = :then"), {"then": utc_now() - timedelta(hours=1)})
    forget_counts(id_)
    with store.act() as peek:
        from db import battles

        assert battles.release_expired(peek, experiment_id=id_, now=utc_now()) == 1
    assert screen(rater).step == Practice(1, 1)


# ---------------------------------------------------------------------------------------------------- before the start


def test_a_study_without_the_pairs_that_it_asks_for_does_not_start(store: Database) -> None:
    id_ = study(flow=Flow(needs_practice=True, gold_every=10), is_started=False)
    missing = experiments.check_experiment(None, id_)
    assert ["practice" in missing[0], "attention checks" in missing[1], len(missing)] == [True, True, 2]
    with pytest.raises(InvalidInputError, match="no pairs for practice"):
        experiments.start_experiment(None, id_)


def test_known_pairs_are_frozen_with_the_design(store: Database) -> None:
    id_ = led_study(Flow(gold_every=10), n_gold=1)
    with pytest.raises(ConflictError, match="frozen"):
        import_gold(None, jsonl(*known(2)), experiment_id=id_, purpose=Purpose.GOLD)
