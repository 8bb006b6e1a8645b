"""Two models of a study: what the service tells while it runs and at its end, and the decision that it comes to."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from scipy.stats import binomtest
from sqlalchemy import text

from app.domain import ExperimentStatus, Role, utc_now
from app.errors import InvalidInputError, NotAllowedError
from app.services import (
    chosen_votes,
    compare_file,
    decision_card,
    experiments,
    guardrails,
    head_to_head,
    leaderboard,
    methods_text,
    shared_work,
    style_control,
    vote_files,
    vote_store,
)
from app.services.board_view import View
from app.services.decision_card import Decision, Finding
from app.services.guardrails import Limits, State
from app.services.head_to_head import HeadToHead
from app.services.slices import Slice
from app.stats.clustered_share import Share
from db.engine import Database, database
from tests.studies import person, study

ROPE = 2.5


@pytest.fixture(autouse=True)
def _nothing_kept() -> Iterator[None]:
    vote_store.forget()
    shared_work.forget()
    chosen_votes._kept.clear()
    yield


def votes(n: int, *, p: float = 0.7, n_raters: int = 60, days: int = 12, seed: int = 0) -> list[dict[str, Any]]:
    """Rows of a file: Ash against Birch and Cedar, cast evenly over so many days."""
    rng = np.random.default_rng(seed)
    begin = datetime(2026, 3, 1, tzinfo=UTC)
    pairs, shares = (("Ash", "Birch"), ("Birch", "Cedar"), ("Cedar", "Ash")), (p, 0.5, 1 - p)
    rows = []
    for i in range(n):
        left, right = pairs[i % 3]
        said = rng.random()
        winner = (
            "tie" if said < 0.1 else "both_bad" if said < 0.15 else "left" if rng.random() < shares[i % 3] else "right"
        )
        at = begin + timedelta(days=days) * (i / n)
        row = {"left": left, "right": right, "winner": winner, "voted_at": at.isoformat()}
        rows.append(row | ({"rater": f"r{rng.integers(n_raters)}"} if n_raters else {}))
    return rows


def stored(rows: list[dict[str, Any]], status: ExperimentStatus = ExperimentStatus.COMPLETED) -> UUID:
    """The votes as a study of this status."""
    lines = io.BytesIO("\n".join(json.dumps(row) for row in rows).encode())
    key = vote_files.import_votes(None, lines, title="Trees").key
    with database().engine.begin() as connection:
        connection.execute(
            text("UPDATE experiment SET status = :status WHERE key = :key"), {"status": status, "key": key}
        )
    return experiments.find_experiment(None, key)


def compared(
    id_: UUID,
    model: str = "Ash",
    opponent: str | None = "Birch",
    chosen: Slice | None = None,
    now: datetime | None = None,
) -> HeadToHead:
    setting = head_to_head.find_setting(None, id_, model, opponent)
    return head_to_head.compare_models(setting, vote_store.read(id_), chosen or Slice(), now=now or utc_now())


def test_the_tally_is_seen_from_the_first_model(store: Database) -> None:
    del store
    id_ = stored(votes(600))
    one, other = compared(id_), compared(id_, "Birch", "Ash")
    assert one.tally.n_votes == other.tally.n_votes == 200
    assert (one.tally.wins.hits, one.tally.losses.hits) == (other.tally.losses.hits, other.tally.wins.hits)
    parts = one.tally
    assert parts.wins.hits + parts.losses.hits + parts.ties.hits + parts.both_bad.hits == 200
    assert parts.is_clustered
    assert one.estimate is not None and other.estimate is not None
    assert one.estimate.difference == pytest.approx(-other.estimate.difference)


@pytest.mark.parametrize("status", [ExperimentStatus.RUNNING, ExperimentStatus.PAUSED, ExperimentStatus.STOPPED])
def test_before_the_planned_end_no_p_value_is_told(store: Database, status: ExperimentStatus) -> None:
    del store
    found = compared(stored(votes(900), status))
    assert found.estimate is not None and found.estimate.alone is not None
    told = [found.estimate, *(look.estimate for look in found.looks), *(part.estimate for part in found.parts)]
    assert all(one.p is None and one.p_max_t is None and one.p_holm is None for one in told)
    assert all(part.q is None for part in found.parts)
    at_end = compared(stored(votes(900, seed=0)))
    assert at_end.estimate is not None and at_end.estimate.alone is not None
    width, fixed = (one[1] - one[0] for one in (found.estimate.alone, at_end.estimate.alone))
    assert width > 1.2 * fixed, "what holds at any time is wider than what holds once"


def test_at_the_end_p_is_corrected_for_all_pairs(store: Database) -> None:
    del store
    estimate = compared(stored(votes(600, p=0.58))).estimate
    assert estimate is not None and estimate.p is not None
    assert estimate.p_max_t is not None and estimate.p_holm is not None
    assert estimate.p <= estimate.p_max_t <= 3 * estimate.p + 1e-9
    assert estimate.alone is not None and estimate.together is not None
    assert estimate.together[0] < estimate.alone[0] and estimate.alone[1] < estimate.together[1]


def test_looks_are_one_for_each_day_and_end_where_the_whole_stands(store: Database) -> None:
    del store
    found = compared(stored(votes(1200)))
    assert len(found.looks) == 12
    assert [look.n_votes for look in found.looks][-1] == 1200
    assert found.looks[0].estimate.alone is None, "a day's votes are too few for an interval that holds at any time"
    assert found.estimate is not None
    assert found.looks[-1].estimate.difference == pytest.approx(found.estimate.difference)
    undated = [{k: v for k, v in row.items() if k != "voted_at"} for row in votes(300)]
    without = compared(stored(undated))
    assert not without.looks and any("one date" in note for note in without.notes)


def test_few_raters_are_told_and_no_claim_is_made_of_them(store: Database) -> None:
    del store
    found = compared(stored(votes(900, n_raters=6)))
    card = decision_card.decide(found, (), rope_points=ROPE)
    assert not found.tally.is_clustered and any("Only 6 raters" in note for note in found.notes)
    assert card is not None and card.finding == Finding.BETTER
    assert card.decision == Decision.DISCUSS and any("nothing tells" in reason for reason in card.reasons)
    running = compared(stored(votes(900, n_raters=20), ExperimentStatus.RUNNING))
    assert running.estimate is not None and running.estimate.alone is None
    assert any("need 30 raters" in note for note in running.notes)
    nobody = compared(stored(votes(900, n_raters=0)))
    assert nobody.votes_by == 0 and any("don't say who" in note for note in nobody.notes)


def test_a_slice_without_votes_and_models_that_never_met(store: Database) -> None:
    del store
    id_ = stored(votes(300))
    empty = compared(id_, chosen=Slice(criterion="accuracy"))
    assert empty.estimate is None and empty.tally.n_votes == 0 and empty.tally.wins.upper == 1
    apart = [row for row in votes(300) if {row["left"], row["right"]} == {"Ash", "Birch"}]
    apart += [row | {"left": "Cedar", "right": "Dogwood"} for row in apart]
    found = compared(stored(apart), "Ash", "Cedar")
    assert found.estimate is None and any("No chain of votes" in note for note in found.notes)
    card = decision_card.decide(found, (), rope_points=ROPE)
    assert card is not None and card.decision == Decision.DISCUSS


def test_bad_questions_are_refused_in_words(store: Database) -> None:
    del store
    id_ = stored(votes(30))
    with pytest.raises(InvalidInputError, match="no model 'Elm'"):
        head_to_head.find_setting(None, id_, "Elm", "Ash")
    with pytest.raises(InvalidInputError, match="itself"):
        head_to_head.find_setting(None, id_, "Ash", "Ash")
    with pytest.raises(NotAllowedError):
        head_to_head.find_setting(person(Role.RATER), id_, "Ash", "Birch")
    for points in (0, 50, float("nan")):
        with pytest.raises(InvalidInputError, match="between 0 and 50"):
            decision_card.rope_of(points)


def test_the_field_has_an_estimate_and_no_card(store: Database) -> None:
    del store
    found = compared(stored(votes(900)), "Ash", None)
    assert found.tally.n_votes == 600
    assert found.estimate is not None and found.estimate.difference > 0
    assert found.estimate.p is not None and found.estimate.p_holm == pytest.approx(min(1, 3 * found.estimate.p))
    assert decision_card.decide(found, (), rope_points=ROPE) is None


def test_ship_keep_and_discuss(store: Database) -> None:
    del store
    id_ = stored(votes(1500))
    better, worse = compared(id_), compared(id_, "Birch", "Ash")
    equal = compared(id_, "Birch", "Cedar")
    assert [decision_card.decide(one, (), rope_points=ROPE).decision for one in (better, worse)] == ["ship", "keep"]  # type: ignore[union-attr]
    undecided = decision_card.decide(equal, (), rope_points=ROPE)
    assert undecided is not None and undecided.decision == Decision.DISCUSS
    assert undecided.forecast is not None and undecided.forecast.n_more is not None and undecided.forecast.n_more > 100
    assert undecided.forecast.days is None
    wide = decision_card.decide(equal, (), rope_points=20)
    assert wide is not None and (wide.decision, wide.finding) == (Decision.KEEP, Finding.EQUIVALENT)
    rail = guardrails.Guardrail("Latency", "", ("1 s", "2 s"), "%", 20, State.HOLDS, 1.0, 0.5, 1.5)
    for state, decision in ((State.HOLDS, "ship"), (State.BREACHED, "discuss"), (State.OPEN, "discuss")):
        card = decision_card.decide(better, (replace(rail, state=state),), rope_points=ROPE)
        assert card is not None and card.decision == decision


def test_the_forecast_in_days_follows_the_last_week(store: Database) -> None:
    del store
    id_ = stored(votes(1200), ExperimentStatus.RUNNING)
    now = datetime(2026, 3, 13, tzinfo=UTC)
    found = compared(id_, "Birch", "Cedar", now=now)
    assert found.votes_per_day == pytest.approx(100, rel=0.02)
    card = decision_card.decide(found, (), rope_points=ROPE)
    assert card is not None and card.forecast is not None and card.forecast.n_more is not None
    assert card.forecast.days == pytest.approx(card.forecast.n_more / 100, rel=0.02)
    assert compared(id_, "Birch", "Cedar", now=now + timedelta(days=30)).votes_per_day == 0


def test_the_exact_test_is_told_at_the_planned_end_alone(store: Database) -> None:
    del store
    rows = votes(900)
    ended, running = compared(stored(rows)), compared(stored(rows, ExperimentStatus.RUNNING))
    assert running.sign is None and ended.sign is not None and ended.sign.is_by_rater
    net: dict[str, int] = {}
    for row in rows:
        if {row["left"], row["right"]} == {"Ash", "Birch"} and row["winner"] in ("left", "right"):
            net[row["rater"]] = net.get(row["rater"], 0) + (1 if row[row["winner"]] == "Ash" else -1)
    counts = [sum(x > 0 for x in net.values()), sum(x < 0 for x in net.values()), sum(x == 0 for x in net.values())]
    assert [ended.sign.n_for, ended.sign.n_against, ended.sign.n_even] == counts
    assert ended.sign.p == pytest.approx(binomtest(counts[0], sum(counts[:2])).pvalue)
    assert ended.sign.p <= ended.sign.p_holm <= 3 * ended.sign.p * (1 + 1e-9)
    line = compare_file.write_comparison(ended).splitlines()[1].split(",")
    assert [float(x) for x in line[-2:]] == pytest.approx([ended.sign.p, ended.sign.p_holm], rel=1e-5)


def test_the_file_has_the_whole_each_look_and_no_formula(store: Database) -> None:
    del store
    found = compared(
        stored(
            [
                row | {"left": row["left"].replace("Ash", "=Ash"), "right": row["right"].replace("Ash", "=Ash")}
                for row in votes(600)
            ]
        ),
        "=Ash",
        "Birch",
    )
    lines = compare_file.write_comparison(found).splitlines()
    assert lines[0] == ",".join(compare_file.COLUMNS)
    assert lines[1].startswith("whole,'=Ash - Birch,600,")
    assert sum(line.startswith("look,") for line in lines) == len(found.looks) == 12


class TestWithOutputs:
    """Guardrails and form, over outputs that are stored."""

    @pytest.fixture
    def id_(self, store: Database) -> UUID:
        del store
        id_ = study(n_models=2, n_prompts=80)
        self.set_outputs("Model 0", "latency_ms = 300, cost = 0.004")
        self.set_outputs("Model 1", "latency_ms = 100, cost = 0.004")
        return id_

    @staticmethod
    def set_outputs(model: str, assignment: str) -> None:
        with database().engine.begin() as connection:
            connection.execute(
                text(f"UPDATE generation SET {assignment} WHERE model_id = (SELECT id FROM model WHERE name = :name)"),
                {"name": model},
            )

    def rails(self, id_: UUID, limits: Limits) -> dict[str, guardrails.Guardrail]:
        setting = head_to_head.find_setting(None, id_, "Model 0", "Model 1")
        read = vote_store.read(id_)
        found = guardrails.check_guardrails(setting, read, chosen_votes.choose_votes(read, Slice()), limits)
        return {rail.label: rail for rail in found}

    def test_a_limit_is_broken_kept_or_not_known(self, id_: UUID) -> None:
        found = self.rails(id_, Limits())
        slow = found["Latency, slowest 5 %"]
        assert (slow.state, slow.values) == (State.BREACHED, ("300 ms", "100 ms"))
        assert slow.change == pytest.approx(200)
        assert found["Cost of an output"].state == State.HOLDS
        assert found["Both called bad"].state == State.UNKNOWN, "nobody has voted"
        assert self.rails(id_, Limits(latency=250))["Latency, median"].state == State.HOLDS

    def test_failures_are_compared_with_an_interval(self, id_: UUID) -> None:
        label = "Failed, refused or cut short"
        assert self.rails(id_, Limits(failures=10))[label].state == State.HOLDS
        assert self.rails(id_, Limits(failures=1))[label].state == State.OPEN
        self.set_outputs("Model 0", "status = 'refused'")
        broken = self.rails(id_, Limits())
        assert broken[label].state == State.BREACHED and broken[label].change == pytest.approx(100)
        assert broken["Latency, median"].state == State.UNKNOWN, "a refusal's time says nothing"

    def test_the_form_of_outputs_is_counted_by_the_database(self, database_url: str, monkeypatch: Any) -> None:
        from db import output_facts
        from tests.stored import fresh_database

        said = "# Head\n- one **bold** and **two**\n* three\nplain # no"
        with fresh_database(monkeypatch, database_url):
            id_ = study(n_models=2, n_prompts=1)
            parts = json.dumps([{"type": "text", "text": said}])
            self.set_outputs("Model 0", f"parts = '{parts}'")
            setting = head_to_head.find_setting(None, id_, "Model 0", "Model 1")
            assert setting.prompt_set_id is not None
            with database().read() as session:
                rows = output_facts.list_forms(session, prompt_set_id=setting.prompt_set_id)
            found = sorted(tuple(map(float, row[2:])) for row in rows)
            assert found == [(len("answer 1 0"), 0, 0, 0), (len(said), 1, 2, 2)]

    def test_without_known_outputs_the_form_cannot_be_held_equal(self, id_: UUID) -> None:
        setting = head_to_head.find_setting(None, id_, "Model 0", "Model 1")
        found = style_control.control_style(setting, vote_store.read(id_), Slice())
        assert found.raw is None and "0 votes" in found.problem
        nowhere = replace(setting, prompt_set_id=None)
        assert "no prompt set" in style_control.control_style(nowhere, vote_store.read(id_), Slice()).problem


def test_shares_are_of_the_votes_between_the_two(store: Database) -> None:
    del store
    found = compared(stored(votes(600)))
    assert isinstance(found.tally.wins, Share)
    assert found.tally.wins.lower < found.tally.wins.share < found.tally.wins.upper


def test_the_form_is_held_equal_in_votes_on_stored_outputs(store: Database) -> None:
    """Long answers win whoever wrote them; Model 0 writes long ones, and without its length has no lead left."""
    del store
    rng = np.random.default_rng(11)
    draft = study(n_models=3, n_prompts=40, is_started=False)
    prompt_set_id = head_to_head.find_setting(None, draft, "Model 0", "Model 1").prompt_set_id
    with database().engine.begin() as connection:
        places = connection.execute(
            text(
                "SELECT g.id, m.name, p.external_id FROM generation g JOIN model m ON m.id = g.model_id "
                "JOIN prompt p ON p.id = g.prompt_id"
            )
        ).all()
        lengths = {(row[1], row[2]): int(rng.integers(20, 400) * (3 if row[1] == "Model 0" else 1)) for row in places}
        for id_, model, prompt in places:
            parts = json.dumps([{"type": "text", "text": "x" * lengths[model, prompt]}])
            statement = text("UPDATE generation SET parts = :parts WHERE id = :id")
            connection.execute(statement, {"parts": parts, "id": id_})
    rows = []
    for i in range(1500):
        a, b = (f"Model {k}" for k in rng.permutation(3)[:2])
        prompt = f"p{rng.integers(40)}"
        x, y = lengths[a, prompt], lengths[b, prompt]
        winner = "left" if rng.random() < 1 / (1 + np.exp(-2 * (x - y) / (x + y + 1))) else "right"
        rows.append({"left": a, "right": b, "winner": winner, "prompt_id": prompt, "rater": f"r{i % 40}"})
    lines = io.BytesIO("\n".join(json.dumps(row) for row in rows).encode())
    key = vote_files.import_votes(None, lines, title="Long", prompt_set_id=prompt_set_id).key
    id_ = experiments.find_experiment(None, key)
    setting = head_to_head.find_setting(None, id_, "Model 0", "Model 1")
    found = style_control.control_style(setting, vote_store.read(id_), Slice())
    assert found.problem == "" and found.raw is not None and found.controlled is not None
    assert found.n_votes == 1500 and found.characters[0] > 2 * found.characters[1]
    assert found.raw.alone is not None and found.raw.alone[0] > 0.3
    assert found.controlled.alone is not None and found.controlled.alone[0] < 0 < found.controlled.alone[1]
    assert [one.name for one in found.effects] == ["characters"] and found.effects[0].estimate > 0.5
    plain, held = (leaderboard.get_leaderboard(None, id_, View(style=is_on)) for is_on in (False, True))
    lead = [max(row.rating for row in one.ranking.models) - one.ranking.models[1].rating for one in (plain, held)]
    assert plain.ranking.models[0].model == "Model 0" and lead[0] > 0.3 and lead[1] < lead[0] / 2
    assert [one.name for one in held.ranking.covariates] == ["characters"] and plain.ranking.covariates == ()
    assert any("held equal" in note and "characters +" in note for note in held.notes)
    assert "characters +" in methods_text.methods_text(held) and held.clusters == ("rater", "prompt")


def test_votes_of_slices_are_kept_up_to_a_limit(store: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    del store
    read = vote_store.read(stored(votes(300)))
    whole = chosen_votes.choose_votes(read, Slice())
    assert chosen_votes.choose_votes(read, Slice()) is whole
    monkeypatch.setattr(chosen_votes, "MOST_VOTES", 350)
    chosen_votes.choose_votes(read, Slice(with_staff=True))
    assert chosen_votes.choose_votes(read, Slice()) is not whole
