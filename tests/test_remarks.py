"""What a rater says beside the answer, and what becomes of earlier votes, on both databases."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from app.domain import Answer, Identity, Role
from app.errors import ConflictError, InvalidInputError, NotFoundError, VoteRefusedError
from app.services import experiments, leaderboard, own_votes, remarks, serving, voting
from app.services.board_view import View
from app.services.shown import get_shown
from app.services.slices import Slice
from app.study import Asks, Criterion, Remarks, SkipReason, Strength
from db.engine import Database
from tests.studies import person, study
from tests.test_voting import battle_of, check_counts, rows

NEEDED = Criterion("accuracy", "Accuracy", is_required=True)
OFFERED = Criterion("tone", "Tone")
ALL = Asks(criteria=(NEEDED, OFFERED), strength=True, reasons=True, comment=True, skip_reason=True, guess=True)
ACCURATE = {"accuracy": Answer.LEFT}


def asked(asks: Asks = ALL, **options: Any) -> tuple[Identity, UUID]:
    """A rater in a running study that asks for all this."""
    experiment_id = study(asks=asks, **options)
    return person(experiment_id=experiment_id), experiment_id


def voted(rater: Identity, answer: Answer = Answer.LEFT, **criteria: Answer) -> UUID:
    """The id of a battle that was just voted on."""
    battle_id = battle_of(rater)
    voting.cast_vote(rater, battle_id, answer, criteria=criteria or ACCURATE)
    return battle_id


def test_what_is_said_later_is_a_new_row_with_the_answer_and_the_time_of_the_vote(store: Database) -> None:
    rater, experiment_id = asked()
    battle_id = voted(rater)
    board = leaderboard.get_leaderboard(None, experiment_id)
    remarks.remark(rater, battle_id, strength="clearly")
    remarks.remark(rater, battle_id, left=("clear", "accurate"), right=("wrong",))
    remarks.remark(rater, battle_id, comment="  The left one knows.\n\U0001f600 \u202bright to left ")
    said = remarks.get_given(rater, battle_id)
    assert said.remarks == Remarks(
        Strength.CLEARLY, ("accurate", "clear"), ("wrong",), "The left one knows.\n\U0001f600 \u202bright to left"
    )
    found = rows(
        store,
        "SELECT revision, outcome, strength, comment, superseded_by IS NULL, voted_at, dwell_ms FROM vote "
        "WHERE criterion = 'overall' ORDER BY revision",
    )
    assert [row[0] for row in found] == [0, 1, 2, 3]
    assert [row[2] for row in found] == [None, "clearly", "clearly", "clearly"]
    assert [bool(row[4]) for row in found] == [False, False, False, True]
    assert len({(row[1], row[5], row[6]) for row in found}) == 1
    assert leaderboard.get_leaderboard(None, experiment_id).ranking == board.ranking
    check_overall_counts(store)


def check_overall_counts(store: Database) -> None:
    """What ``check_counts`` holds, where votes on criteria stand beside."""
    wrong = rows(
        store,
        """SELECT p.position FROM pair p WHERE p.n_votes <> (
             SELECT count(*) FROM vote v JOIN battle b ON b.id = v.battle_id
             WHERE b.pair_id = p.id AND v.act = 'vote' AND v.superseded_by IS NULL AND v.criterion = 'overall')
           OR p.n_taken <> p.n_votes + (
             SELECT count(*) FROM battle b WHERE b.pair_id = p.id AND b.status IN ('open', 'waiting'))""",
    )
    assert wrong == []
    doubled = rows(
        store,
        "SELECT battle_id, criterion, count(*) FROM vote WHERE superseded_by IS NULL "
        "GROUP BY battle_id, criterion HAVING count(*) > 1",
    )
    assert doubled == []


def test_the_same_said_twice_is_stored_once(store: Database) -> None:
    rater, _ = asked()
    battle_id = voted(rater)
    for _ in range(3):
        remarks.remark(rater, battle_id, comment="once")
    assert rows(store, "SELECT count(*) FROM vote WHERE comment = 'once'") == [(1,)]


def test_remarks_from_many_tabs_at_once_lose_nothing(store: Database) -> None:
    rater, _ = asked()
    battle_id = voted(rater)
    said: list[dict[str, Any]] = [
        {"comment": "typed"},
        {"strength": "slightly"},
        {"left": ("clear",)},
        {"right": ("unsafe",)},
        {"guess_left": "dont_know"},
    ]
    with ThreadPoolExecutor(5) as pool:
        list(pool.map(lambda one: remarks.remark(rater, battle_id, **one), said))
    found = remarks.get_given(rater, battle_id).remarks
    assert found == Remarks(Strength.SLIGHTLY, ("clear",), ("unsafe",), "typed", guess_left="dont_know")
    check_overall_counts(store)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Answer.TIE, {"strength": "clearly"}),
        (Answer.LEFT, {"skip_reason": "broken"}),
        (Answer.SKIP, {"left": ("clear",)}),
        (Answer.SKIP, {"guess_left": "dont_know"}),
        (Answer.LEFT, {"strength": "999"}),
        (Answer.SKIP, {"skip_reason": "bored"}),
        (Answer.LEFT, {"left": ("Model 0",)}),
        (Answer.LEFT, {"guess_left": "Model 0"}),
        (Answer.LEFT, {"guess_right": "0" * 32}),
        (Answer.LEFT, {"comment": "x" * 5001}),
        (Answer.LEFT, {"comment": "nul \0"}),
        (Answer.LEFT, {"outcome": "model_a"}),
    ],
)
def test_a48_what_has_no_place_is_refused_in_words_and_nothing_is_stored(
    store: Database, answer: Answer, said: dict[str, Any]
) -> None:
    rater, _ = asked()
    battle_id = voted(rater, answer)
    before = rows(store, "SELECT count(*) FROM vote")
    with pytest.raises(InvalidInputError):
        remarks.remark(rater, battle_id, **said)
    assert rows(store, "SELECT count(*) FROM vote") == before


@pytest.mark.parametrize(
    "said", [{"strength": "clearly"}, {"left": ("clear",)}, {"comment": "x"}, {"guess_left": "dont_know"}]
)
def test_a_study_that_asks_nothing_takes_no_remarks(store: Database, said: dict[str, Any]) -> None:
    rater, _ = asked(Asks())
    battle_id = battle_of(rater)
    voting.cast_vote(rater, battle_id, Answer.LEFT)
    with pytest.raises(InvalidInputError, match="doesn't ask"):
        remarks.remark(rater, battle_id, **said)


def test_another_raters_battle_is_not_there(store: Database) -> None:
    """A battle's id that leaked opens nothing: not to read, not to change, not to comment."""
    rater, experiment_id = asked()
    battle_id, other = voted(rater), person(experiment_id=experiment_id)
    tries = (
        lambda: remarks.get_given(other, battle_id),
        lambda: remarks.remark(other, battle_id, comment="mine"),
        lambda: remarks.change_vote(other, battle_id, Answer.RIGHT),
        lambda: remarks.answer_criterion(other, battle_id, "tone", Answer.TIE),
        lambda: get_shown(other, battle_id),
    )
    for attempt in tries:
        with pytest.raises(NotFoundError):
            attempt()
    assert own_votes.list_own_votes(other) == []
    assert remarks.find_last(other, experiment_id) is None


def test_a_battle_without_an_answer_takes_no_remark_and_no_change(store: Database) -> None:
    rater, _ = asked()
    battle_id = battle_of(rater)
    with pytest.raises(NotFoundError):
        remarks.remark(rater, battle_id, comment="too soon")
    with pytest.raises(NotFoundError):
        remarks.change_vote(rater, battle_id, Answer.TIE)


def test_why_a_pair_cant_be_judged_stands_with_the_skip(store: Database) -> None:
    rater, _ = asked()
    battle_id = voted(rater, Answer.SKIP)
    remarks.remark(rater, battle_id, skip_reason="wrong_language")
    assert remarks.get_given(rater, battle_id).remarks.skip_reason == SkipReason.WRONG_LANGUAGE
    assert rows(store, "SELECT act, skip_reason FROM vote WHERE superseded_by IS NULL") == [("skip", "wrong_language")]
    check_overall_counts(store)


# ------------------------------------------------------------------------------------------------ criteria


def test_a_needed_criterion_holds_the_vote_back_and_says_which(store: Database) -> None:
    rater, _ = asked()
    battle_id = battle_of(rater)
    with pytest.raises(VoteRefusedError, match="answer Accuracy first"):
        voting.cast_vote(rater, battle_id, Answer.LEFT, criteria={"tone": Answer.TIE})
    assert battle_of(rater) == battle_id
    assert rows(store, "SELECT count(*) FROM vote") == [(0,)]
    voting.cast_vote(rater, battle_id, Answer.LEFT, criteria={"accuracy": Answer.BOTH_BAD, "tone": Answer.RIGHT})
    assert remarks.get_given(rater, battle_id).criteria == {"accuracy": Answer.BOTH_BAD, "tone": Answer.RIGHT}
    assert rows(store, "SELECT criterion, revision, act FROM vote ORDER BY criterion") == [
        ("accuracy", 0, "vote"),
        ("overall", 0, "vote"),
        ("tone", 0, "vote"),
    ]
    check_overall_counts(store)


@pytest.mark.parametrize("given", [{"speed": Answer.LEFT}, {"accuracy": Answer.SKIP}, {"overall": Answer.LEFT}])
def test_a_criterion_that_isnt_asked_is_refused(store: Database, given: dict[str, Answer]) -> None:
    rater, _ = asked()
    with pytest.raises(VoteRefusedError):
        voting.cast_vote(rater, battle_of(rater), Answer.LEFT, criteria={**ACCURATE, **given})
    assert rows(store, "SELECT count(*) FROM vote") == [(0,)]


def test_who_cant_judge_needs_to_answer_no_criterion(store: Database) -> None:
    rater, _ = asked()
    voting.cast_vote(rater, battle_of(rater), Answer.SKIP, criteria=ACCURATE)
    assert rows(store, "SELECT criterion, act FROM vote") == [("overall", "skip")]


def test_undo_takes_the_criteria_back_and_keeps_what_was_typed(store: Database) -> None:
    rater, experiment_id = asked()
    battle_id = voted(rater, accuracy=Answer.LEFT, tone=Answer.TIE)
    remarks.remark(rater, battle_id, comment="long thought", strength="clearly")
    assert voting.undo_vote(rater, experiment_id) is None
    live = rows(store, "SELECT criterion, act FROM vote WHERE superseded_by IS NULL ORDER BY criterion")
    assert live == [("accuracy", "undo"), ("overall", "undo"), ("tone", "undo")]
    assert leaderboard.get_leaderboard(None, experiment_id, View(slice=Slice(criterion="tone"))).n_votes == 0
    assert battle_of(rater) == battle_id
    voting.cast_vote(rater, battle_id, Answer.RIGHT, criteria=ACCURATE)
    again = remarks.get_given(rater, battle_id)
    assert (again.answer, again.remarks, again.criteria) == (Answer.RIGHT, Remarks(comment="long thought"), ACCURATE)
    check_overall_counts(store)


def test_a_criterion_is_answered_changed_and_taken_back_later(store: Database) -> None:
    rater, _ = asked()
    battle_id = voted(rater)
    assert remarks.answer_criterion(rater, battle_id, "tone", Answer.RIGHT).criteria["tone"] == Answer.RIGHT
    remarks.answer_criterion(rater, battle_id, "tone", Answer.TIE)
    assert remarks.get_given(rater, battle_id).criteria == {**ACCURATE, "tone": Answer.TIE}
    remarks.answer_criterion(rater, battle_id, "tone", None)
    assert remarks.get_given(rater, battle_id).criteria == ACCURATE
    with pytest.raises(VoteRefusedError, match="Accuracy"):
        remarks.answer_criterion(rater, battle_id, "accuracy", None)
    found = rows(store, "SELECT act FROM vote WHERE criterion = 'tone' ORDER BY revision")
    assert found == [("vote",), ("vote",), ("undo",)]
    check_overall_counts(store)


def test_the_board_counts_the_criterion_that_is_asked_for(store: Database) -> None:
    rater, experiment_id = asked(n_models=2)
    for _ in range(4):
        ballot = serving.next_battle(rater)
        assert ballot is not None and ballot.battle is not None
        first = Answer.LEFT if ballot.battle.left.startswith("answer 0") else Answer.RIGHT
        second = Answer.RIGHT if first == Answer.LEFT else Answer.LEFT
        voting.cast_vote(rater, ballot.battle.id, first, criteria={"accuracy": second})
    for criterion, winner in (("overall", "Model 0"), ("accuracy", "Model 1")):
        board = leaderboard.get_leaderboard(
            None, experiment_id, View(method="win_rate", slice=Slice(criterion=criterion))
        )
        assert {row.model: row.wins for row in board.ranking.models}[winner] == 4
        assert board.n_votes == 4
    assert leaderboard.get_leaderboard(None, experiment_id, View(slice=Slice(criterion="tone"))).n_votes == 0
    with pytest.raises(InvalidInputError, match="criterion"):
        leaderboard.get_leaderboard(None, experiment_id, View(slice=Slice(criterion="speed")))


# ------------------------------------------------------------------------------------------------ change


@pytest.mark.parametrize("after", list(Answer))
@pytest.mark.parametrize("before", [Answer.LEFT, Answer.TIE, Answer.SKIP])
def test_every_answer_can_become_every_other(store: Database, before: Answer, after: Answer) -> None:
    rater, _ = asked(n_models=2, votes_per_pair=10)
    battle_id = voted(rater, before)
    remarks.remark(rater, battle_id, comment="kept")
    ((voted_at, n_rows),) = rows(store, "SELECT min(voted_at), count(*) FROM vote WHERE criterion = 'overall'")
    now = remarks.change_vote(rater, battle_id, after, criteria={} if after == Answer.SKIP else ACCURATE)
    stored = remarks.get_given(rater, battle_id)
    assert stored.answer == now.answer == after
    assert stored.remarks.comment == "kept"
    assert stored.criteria == ({} if after == Answer.SKIP else ACCURATE)
    times = rows(store, "SELECT DISTINCT voted_at FROM vote WHERE criterion = 'overall'")
    assert times == [(voted_at,)]
    ((n_after,),) = rows(store, "SELECT count(*) FROM vote WHERE criterion = 'overall'")
    assert int(str(n_after)) - int(str(n_rows)) == (0 if after == before else 1)
    check_overall_counts(store)


def test_a_changed_vote_counts_in_the_place_of_the_old_one(store: Database) -> None:
    rater, experiment_id = asked(Asks(), n_models=2)
    battle_id = battle_of(rater)
    voting.cast_vote(rater, battle_id, Answer.LEFT)
    before = leaderboard.get_leaderboard(None, experiment_id, View(method="win_rate")).ranking.models
    remarks.change_vote(rater, battle_id, Answer.RIGHT)
    after = leaderboard.get_leaderboard(None, experiment_id, View(method="win_rate")).ranking.models
    assert {row.model: (row.wins, row.losses) for row in after} == {row.model: (row.losses, row.wins) for row in before}


def test_a_skip_stands_when_its_pair_is_full_and_a_last_change_completes_the_study(store: Database) -> None:
    rater, _ = asked(Asks(), n_models=2, n_prompts=3, votes_per_pair=1)
    skipped = battle_of(rater)
    voting.cast_vote(rater, skipped, Answer.SKIP)
    with pytest.raises(VoteRefusedError, match="has all its votes"):  # the next battle holds the only place
        remarks.change_vote(rater, skipped, Answer.LEFT)
    second = battle_of(rater)
    voting.cast_vote(rater, second, Answer.SKIP)
    third = battle_of(rater)
    voting.cast_vote(rater, third, Answer.SKIP)
    remarks.change_vote(rater, skipped, Answer.LEFT)
    check_overall_counts(store)
    assert experiments.list_experiments(None)[0].status == "completed"
    with pytest.raises(ConflictError):
        remarks.change_vote(rater, skipped, Answer.RIGHT)
    assert not remarks.get_given(rater, skipped).can_change


def test_a47_after_the_end_the_answer_stands_but_the_last_vote_can_be_explained(store: Database) -> None:
    rater, experiment_id = asked()
    battle_id = voted(rater)
    experiments.stop_experiment(None, experiment_id, reason="enough")
    for attempt in (
        lambda: remarks.change_vote(rater, battle_id, Answer.RIGHT),
        lambda: remarks.answer_criterion(rater, battle_id, "tone", Answer.TIE),
    ):
        with pytest.raises(ConflictError, match="ended"):
            attempt()
    assert remarks.remark(rater, battle_id, comment="the last word").remarks.comment == "the last word"
    with store.write() as session:
        session.connection().execute(text("UPDATE experiment SET lease_minutes = 0"))
    with pytest.raises(ConflictError, match="ended"):
        remarks.remark(rater, battle_id, comment="hours later")
    assert remarks.get_given(rater, battle_id).remarks.comment == "the last word"


def test_undo_goes_on_step_by_step_whatever_was_changed_since(store: Database) -> None:
    rater, experiment_id = asked(Asks(comment=True))
    shown = []
    for _ in range(3):
        shown.append(battle_of(rater))
        voting.cast_vote(rater, shown[-1], Answer.TIE)
    remarks.remark(rater, shown[0], comment="about the first")
    remarks.change_vote(rater, shown[0], Answer.LEFT)
    for battle_id in reversed(shown):
        voting.undo_vote(rater, experiment_id)
        assert battle_of(rater) == battle_id
    check_counts(store)


def test_votes_that_staff_change_stay_marked(store: Database) -> None:
    experiment_id = study(asks=ALL)
    admin = person(Role.ADMIN, experiment_id)
    battle_id = voted(admin)
    remarks.change_vote(admin, battle_id, Answer.TIE)
    assert {bool(row[0]) for row in rows(store, "SELECT is_staff FROM vote")} == {True}
    assert leaderboard.get_leaderboard(None, experiment_id).n_votes == 0


# ------------------------------------------------------------------------------------------------ my votes


def test_my_votes_lists_all_of_mine_newest_first_page_by_page(store: Database) -> None:
    rater, experiment_id = asked(Asks(comment=True), n_models=4, n_prompts=12, votes_per_pair=100)
    other = person(experiment_id=experiment_id)
    voting.cast_vote(other, battle_of(other), Answer.LEFT)
    cast = []
    for i in range(45):
        ballot = serving.next_battle(rater)
        assert ballot is not None and ballot.battle is not None
        answer = list(Answer)[i % 5]
        voting.cast_vote(rater, ballot.battle.id, answer)
        cast.append(
            (ballot.battle.id, ballot.battle.prompt[0].content, ballot.battle.left, ballot.battle.right, answer)
        )
    remarks.remark(rater, cast[0][0], comment="the first of all")
    pages = [own_votes.list_own_votes(rater, page=page) for page in (1, 2, 3)]
    assert [len(page) for page in pages] == [20, 20, 5]
    assert own_votes.count_own_votes(rater) == 45
    found = [(v.battle_id, v.prompt, v.left, v.right, v.answer) for page in pages for v in page]
    assert found == cast[::-1]
    assert pages[2][-1].remarks.comment == "the first of all"
    assert own_votes.list_own_votes(rater, page=99) == []
    assert own_votes.list_own_votes(rater, page=-1) == pages[0]
    battle = get_shown(rater, cast[7][0])
    assert (battle.left, battle.right) == cast[7][2:4]


def test_a_long_text_is_cut_in_the_list(store: Database) -> None:
    cut = own_votes._beginning("word \n" * 300_000)
    assert len(cut) <= 241 and cut.endswith("…") and "\n" not in cut
