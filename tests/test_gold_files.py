"""Known answers from a file: whole or not at all, each bad row named; and what can't be stored of a flow."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text

from app.domain import Purpose, Role
from app.errors import BadFileError, InvalidInputError, NotAllowedError
from app.services import drafts, experiments, gold_files, leaderboard, rater_checks, vote_export, vote_files, voting
from app.services.flow_rules import find_flow_mistakes
from app.services.ranking_file import rank_file
from app.services.ranking_options import RankOptions
from app.study import Ending, Flow, flow_of, to_json
from db.engine import Database
from tests.studies import jsonl, person, study
from tests.test_leading import is_bad, is_good, known, led_study, screen, vote_on

GOOD = {"prompt": "2 + 2?", "left": "4", "right": "5", "gold": "left", "reason": "It is 4."}


def stored(store: Database) -> list[tuple[object, ...]]:
    sql = 'SELECT position, purpose, "left", "right", answer, reason FROM gold ORDER BY position'
    with store.read() as session:
        return [tuple(row) for row in session.connection().execute(text(sql))]


def test_real_pairs_come_in_with_their_answers_and_reasons(store: Database, shared: Path) -> None:
    id_ = study(is_started=False)
    data = (shared / "data" / "llmfao" / "gold.jsonl").read_bytes()
    assert gold_files.import_gold(None, io.BytesIO(data), experiment_id=id_, purpose=Purpose.PRACTICE) == 7
    rows = [json.loads(line) for line in data.splitlines()]
    assert [(row[2], row[3], row[4], row[5]) for row in stored(store)] == [
        (row["left"], row["right"], row["gold"], row["reason"]) for row in rows
    ]


def test_a_file_with_a_bad_row_stores_nothing_and_names_each(store: Database) -> None:
    id_ = study(is_started=False)
    gold_files.import_gold(None, jsonl(GOOD), experiment_id=id_, purpose=Purpose.GOLD)
    bad = jsonl(
        GOOD,
        {**GOOD, "gold": "skip"},
        {**GOOD, "left": " "},
        {**GOOD, "prompt": ""},
        {**GOOD, "right": "4"},
        {**GOOD, "reason": 7},
        {key: value for key, value in GOOD.items() if key != "gold"},
    )
    with pytest.raises(BadFileError) as caught:
        gold_files.import_gold(None, bad, experiment_id=id_, purpose=Purpose.GOLD)
    assert [(problem.line, problem.reason.split(",")[0][:40]) for problem in caught.value.problems] == [
        (2, "gold must be left"),
        (3, "left is missing or blank"),
        (4, "prompt is missing or blank"),
        (5, "left and right are the same text"),
        (6, "reason must be text"),
        (7, "gold is missing or blank"),
    ]
    assert len(stored(store)) == 1


def test_a_new_file_takes_the_place_of_the_one_before_for_the_same_purpose(store: Database) -> None:
    id_ = study(is_started=False)
    for n, purpose in ((2, Purpose.PRACTICE), (3, Purpose.GOLD), (4, Purpose.PRACTICE)):
        gold_files.import_gold(None, jsonl(*known(n)), experiment_id=id_, purpose=purpose)
    assert gold_files.count_gold(None, id_) == {Purpose.GOLD: 3, Purpose.PRACTICE: 4}
    gold_files.remove_gold(None, experiment_id=id_, purpose=Purpose.GOLD)
    assert gold_files.count_gold(None, id_) == {Purpose.PRACTICE: 4}
    with pytest.raises(NotAllowedError):
        gold_files.remove_gold(person(Role.RESEARCHER), experiment_id=id_, purpose=Purpose.GOLD)


def test_the_command_stores_pairs_and_names_bad_rows(
    store: Database, tmp_path: Path, bakeoff: Callable[..., tuple[int, str, str]]
) -> None:
    id_ = study(is_started=False)
    key = next(row.key for row in experiments.list_experiments(None) if row.id == id_)
    file = tmp_path / "gold.jsonl"
    file.write_text(json.dumps(GOOD))
    code, said, _ = bakeoff("import", "gold", file, "--experiment", key, "--practice")
    assert (code, said.strip()) == (0, f"{key}: 1 pair for practice stored.")
    file.write_text(json.dumps({**GOOD, "gold": "middle"}))
    code, _, said = bakeoff("import", "gold", file, "--experiment", key)
    assert code == 1 and "line 1: gold must be left, right, tie or both_bad" in said
    assert gold_files.count_gold(None, id_) == {Purpose.PRACTICE: 1}


# ---------------------------------------------------------------------------------------------------- the flow's rules


@pytest.mark.parametrize(
    ("flow", "field"),
    [
        (Flow(consent="a" * 20_001), "consent"),
        (Flow(consent="nul \0"), "consent"),
        (Flow(gold_every=1), "gold_every"),
        (Flow(repeat_every=1001), "repeat_every"),
        (Flow(gold_every=9, most_failed_checks=-1), "most_failed_checks"),
        (Flow(most_failed_checks=2), "most_failed_checks"),
        (Flow(panel=" "), "panel"),
        (Flow(panel="a b"), "panel"),
        (Flow(panel="token"), "panel"),
        (Flow(code_done="a b"), "code_done"),
        (Flow(code_over_quota='"><script>'), "code_over_quota"),
        (Flow(code_done="A1", code_screened_out="A1"), "code_screened_out"),
    ],
)
def test_what_cannot_be_is_named_by_its_field(flow: Flow, field: str) -> None:
    assert list(find_flow_mistakes(flow)) == [f"flow.{field}"]


def test_a_usual_flow_has_no_mistake_and_survives_its_storing() -> None:
    flow = Flow("Text.", True, 10, 2, 20, False, True, "PROLIFIC_PID", "C1", "C2", "C3")
    assert find_flow_mistakes(flow) == find_flow_mistakes(Flow()) == {}
    assert flow_of(json.loads(json.dumps(to_json(flow)))) == flow


def test_a_draft_with_a_wrong_flow_is_refused(store: Database) -> None:
    draft = drafts.Draft(title="T", prompt_set_id=None, model_ids=(), flow=Flow(panel="a b"))
    assert "flow.panel" in drafts.find_mistakes(draft)


def test_a_consent_that_names_a_model_keeps_the_study_back(store: Database) -> None:
    id_ = study(flow=Flow(consent="You compare Model 1 with others."), is_started=False)
    assert any("consent" in line and "names Model 1" in line for line in experiments.check_experiment(None, id_))


# ------------------------------------------------------------------------------------------------ what is told of it


def careless_study() -> tuple[str, object]:
    """One rater passes all checks and repeats nothing else than before; one fails two and is sent away."""
    id_ = led_study(
        Flow(gold_every=3, most_failed_checks=1, repeat_every=4), n_gold=9, n_prompts=20, votes_per_pair=100
    )
    careful, careless = person(experiment_id=id_), person(experiment_id=id_)
    vote_on(careful, 24)
    vote_on(careless, 24, is_bad)
    return next(row.key for row in experiments.list_experiments(None) if row.id == id_), id_


def test_researchers_see_checks_and_consistency_of_each_rater(
    store: Database, bakeoff: Callable[..., tuple[int, str, str]]
) -> None:
    key, id_ = careless_study()
    failed, passed = rater_checks.list_rater_checks(person(Role.RESEARCHER), id_)  # type: ignore[arg-type]
    assert (failed.n_failed, failed.n_passed, failed.ended_as, failed.state) == (
        2,
        0,
        Ending.SCREENED_OUT,
        "screened out",
    )
    assert (passed.n_failed, passed.n_passed, passed.state) == (0, 8, "taking part")
    assert passed.n_repeats > 0
    assert passed.consistency == 0.0, "Left again, with the sides swapped, is the other output"
    code, said, _ = bakeoff("raters", key, "--json")
    assert (code, [row["n_failed"] for row in json.loads(said)]) == (0, [2, 0])
    with pytest.raises(NotAllowedError):
        rater_checks.list_rater_checks(person(), id_)  # type: ignore[arg-type]


def test_boards_leave_out_who_was_screened_out_and_say_so(store: Database) -> None:
    _, id_ = careless_study()
    board = leaderboard.get_leaderboard(None, id_)  # type: ignore[arg-type]
    assert board.n_raters == 1
    assert board.left_out[1] == 1 and board.left_out[0] > 0
    with store.read() as session:
        n = session.connection().execute(
            text("SELECT count(*) FROM battle WHERE status = 'voted' AND purpose = 'normal'")
        )
        assert board.n_votes + board.left_out[0] == n.scalar_one()


def test_an_export_marks_checks_and_repeats_and_a_ranking_of_it_leaves_them_aside(
    store: Database, tmp_path: Path
) -> None:
    _, id_ = careless_study()
    for ending in ("jsonl", "csv", "parquet"):
        stream = io.BytesIO()
        vote_export.export_votes(None, id_, stream, vote_export.Wanted(ending))  # type: ignore[arg-type]
        file = tmp_path / f"votes.{ending}"
        file.write_bytes(stream.getvalue())
        table = rank_file(file, RankOptions()).ranking
        assert {model.model for model in table.models} == {"Model 0", "Model 1", "Model 2"}
        stream.seek(0)
        preview = vote_files.check_votes(None, stream)
        assert preview.n_votes == table.n_votes
    rows = [json.loads(line) for line in (tmp_path / "votes.jsonl").read_text().splitlines()]
    assert sum(row["is_gold"] for row in rows) == 10
    ids = {row["vote_id"]: row for row in rows}
    repeats = [row for row in rows if row["repeat_of"]]
    assert repeats
    for row in repeats:
        first = ids[row["repeat_of"]]
        assert (first["prompt_id"], first["model_a"]) == (row["prompt_id"], row["model_a"])
        assert first["left"] != row["left"]
    left_out = [row for row in rows if row["rater_group"] == "screened_out"]
    assert table.n_votes == sum(not row["is_gold"] and not row["repeat_of"] for row in rows if row not in left_out)
    assert table.n_votes == leaderboard.get_leaderboard(None, id_).n_votes


def test_no_export_has_the_votes_of_who_withdrew(store: Database) -> None:
    from app.services import participation

    id_ = led_study(Flow(consent="Text."), votes_per_pair=100)
    stays, leaves = person(experiment_id=id_), person(experiment_id=id_)
    for rater in (stays, leaves):
        screen(rater)
        participation.agree(rater, id_)
        vote_on(rater, 3)
    participation.withdraw(leaves, id_)
    stream = io.BytesIO()
    assert vote_export.export_votes(None, id_, stream, vote_export.Wanted("jsonl")).n_rows == 3
    assert leaderboard.get_leaderboard(None, id_).n_votes == 3


def test_a_vote_out_of_place_on_a_check_stays_with_its_rater(store: Database) -> None:
    from app.errors import NotFoundError

    led_study(Flow(gold_every=2), n_gold=3)
    rater = person()
    battle = screen(rater).battle
    assert battle is not None
    with pytest.raises(NotFoundError):
        voting.cast_vote(person(), battle.id, is_good(battle))


def test_a_study_that_asks_for_what_it_lacks_is_refused_in_words(store: Database) -> None:
    id_ = study(flow=Flow(gold_every=5), is_started=False)
    with pytest.raises(InvalidInputError, match="attention checks, and there are no pairs"):
        experiments.start_experiment(None, id_)


@pytest.mark.parametrize("field", ["left", "right", "reason"])
def test_a_known_answer_that_names_a_model_would_unblind_the_study(store: Database, field: str) -> None:
    """Its prompt may: it says nothing of who answered."""
    id_ = study(is_started=False)
    named = {**GOOD, field: "I am Model 1, an assistant."}
    gold_files.import_gold(
        None, jsonl({**GOOD, "prompt": "Who is Model 1?"}, named), experiment_id=id_, purpose=Purpose.GOLD
    )
    assert experiments.check_experiment(None, id_) == [
        "Pair 2 of those with a known answer names Model 1, so the study would not be blind."
    ]
    with pytest.raises(InvalidInputError, match="Pair 2"):
        experiments.start_experiment(None, id_)
