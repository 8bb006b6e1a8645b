"""What the Leaderboard is asked: slices, intervals, zero, charts, all in the address; nonsense in it is left aside."""

from __future__ import annotations

import io
import json
from itertools import pairwise

import numpy as np
import pytest

from app.services import experiments, leaderboard, prompt_sets, vote_files
from app.services.board_view import BY_RATER, PER_VOTE, View
from tests.studies import jsonl
from tests.test_leaderboard_page import CONNECTED, column, import_votes, open_page, text_of

pytestmark = [
    pytest.mark.filterwarnings("default::DeprecationWarning"),
    pytest.mark.usefixtures("data_folder"),
]


def import_tagged() -> str:
    """A study on prompts of two categories, in one of which Ash wins and in the other Birch; over three days."""
    prompts = [{"id": f"p{i}", "prompt": f"Ask {i}?", "tags": {"category": "ab"[i % 2]}} for i in range(12)]
    stream = io.BytesIO("\n".join(map(json.dumps, prompts)).encode())
    prompt_set = prompt_sets.import_prompts(None, stream, name="Tagged")
    votes = [
        {
            "model_a": "Ash",
            "model_b": "Birch",
            "winner": ("model_a" if (i % 2 == 0) == (i % 9 > 0) else "model_b"),
            "rater": f"r{i % 15}",
            "prompt_id": f"p{i % 12}",
            "voted_at": f"2026-03-0{1 + i % 3}T12:00:00Z",
        }
        for i in range(360)
    ]
    stream = io.BytesIO("\n".join(map(json.dumps, votes)).encode())
    return vote_files.import_votes(None, stream, title="Tagged", prompt_set_id=prompt_set.id).key


def test_each_slice_has_its_own_winner_and_stands_in_the_address() -> None:
    key = import_tagged()
    whole, a, b = (open_page(study=key, **tag) for tag in ({}, {"tag.category": "a"}, {"tag.category": "b"}))
    assert column(a, "name")[0].startswith("Ash")
    assert column(b, "name")[0].startswith("Birch")
    assert "category: a" in text_of(a)
    assert "180 votes" in text_of(a)
    assert "360 votes" in text_of(whole)
    box = next(box for box in whole.selectbox if box.label == "Category")
    box.select("b").run()
    assert whole.query_params["tag.category"] in ("b", ["b"])
    assert column(whole, "name")[0].startswith("Birch")


def test_days_are_whole_and_in_utc() -> None:
    key = import_tagged()
    at = open_page(study=key, since="2026-03-02", until="2026-03-02")
    assert "120 votes" in text_of(at)
    assert "from 2026-03-02" in text_of(at)


@pytest.mark.parametrize(
    "address",
    [
        {"method": "Guessing"},
        {"scale": "Metres"},
        {"ties": "maybe"},
        {"both_bad": "maybe"},
        {"tag.category": "no such"},
        {"since": "yesterday"},
        {"until": "1999-01-01"},
        {"group": "nobody"},
        {"interval": "guessed"},
        {"zero": "No such model"},
        {"without": "x,-3,9999999999"},
        {"chart": "Pie"},
        {"criterion": "taste"},
    ],
    ids=lambda address: next(iter(address)),
)
def test_what_the_address_names_and_is_not_there_is_left_aside(address: dict[str, str]) -> None:
    at = open_page(study=import_tagged(), **address)
    assert "360 votes" in text_of(at)
    assert len(column(at, "name")) == 2
    for _ in range(2):  # also when the page is drawn again, with what can't be understood gone from the address
        said = text_of(at)
        assert "this link" in said or address.keys() & {"chart", "without"}, said
        at.run()
    if "method" in address:
        next(box for box in at.selectbox if box.label == "Method").select("davidson").run()
        assert "this link" not in text_of(at)


def test_ties_and_both_bad_count_or_are_left_out_as_the_address_says() -> None:
    votes = {"left": "Ash", "right": "Birch"}
    told = [("left", 30), ("right", 10), ("tie", 40), ("both_bad", 20)]
    rows = [{**votes, "winner": winner, "rater": f"r{i % 12}"} for winner, n in told for i in range(n)]
    key = vote_files.import_votes(None, jsonl(*rows), title="Many ties").key
    addresses: list[dict[str, str]] = [{}, {"both_bad": "drop"}, {"ties": "drop"}, {"ties": "drop", "both_bad": "drop"}]
    # Odds of 60:40, 50:30 and 30:10 of a decisive vote, a tie being half a win for each.
    gaps = [173.7 * np.log(odds) for odds in (60 / 40, 50 / 30, 30 / 10, 30 / 10)]
    for address, gap in zip(addresses, gaps, strict=True):
        at = open_page(study=key, **address)
        first, second = (float(said.split()[0]) for said in column(at, "rating"))
        assert first - second == pytest.approx(gap, abs=2)
    at = open_page(study=key)
    next(box for box in at.selectbox if box.label == "Ties").select("drop").run()
    assert at.query_params["ties"] in ("drop", ["drop"])


def test_a_choice_without_votes_says_so_and_shows_no_board() -> None:
    at = open_page(study=import_tagged(), without=",".join(map(str, range(1, 16))))
    assert "No votes in this choice" in text_of(at)
    assert column(at, "name") == []
    assert not at.exception


def test_one_rater_alone_is_said_and_has_intervals_per_vote() -> None:
    at = open_page(study=import_tagged(), without=",".join(map(str, range(2, 16))))
    assert "by only 1 rater and on only" in text_of(at)
    assert "24 votes" in text_of(at)


def test_intervals_clustered_by_raters_say_by_how_many() -> None:
    import_tagged()
    id_ = experiments.find_experiment(None, "tagged")
    by_rater, alone = (leaderboard.get_leaderboard(None, id_, View(interval=kind)) for kind in (BY_RATER, PER_VOTE))
    assert by_rater.clusters == ("rater",)
    assert alone.clusters == ()
    assert by_rater.ranking.df == 14
    assert leaderboard.get_leaderboard(None, id_).clusters == ("rater", "prompt")


def test_raters_whom_a_check_flags_can_be_left_out() -> None:
    """Ten honest raters and one who always says the opposite."""
    votes = [
        {
            "model_a": "Ash",
            "model_b": "Birch",
            "winner": "model_a" if (j % 5 > 0) == (i < 10) else "model_b",
            "rater": f"r{i}",
        }
        for i in range(11)
        for j in range(60)
    ]
    stream = io.BytesIO("\n".join(map(json.dumps, votes)).encode())
    key = vote_files.import_votes(None, stream, title="One against all").key
    assert "660 votes" in text_of(open_page(study=key))
    assert "600 votes" in text_of(open_page(study=key, unflagged="true"))


def test_the_model_at_zero_has_the_mean_of_the_scale() -> None:
    at = open_page(study=import_votes(CONNECTED), zero="Birch")
    ratings = dict(zip(column(at, "name"), column(at, "rating"), strict=True))
    assert ratings["Birch"] == "1000"
    assert ratings["Ash"] != "1000"


@pytest.mark.parametrize(
    ("chart", "said"),
    [
        ("Who beats whom", "The pair with the most votes"),
        ("Ratings", "has the highest rating"),
        ("Battles", "1 of 1 pairs met"),
        ("Over time", "stretches of the votes"),
        ("Votes per day", "Votes on 3 days (UTC), 120 a day on average"),
    ],
)
def test_each_chart_says_in_words_what_it_shows(chart: str, said: str) -> None:
    at = open_page(study=import_tagged(), chart=chart)
    assert said in text_of(at)
    assert not at.exception


def test_a_study_without_outputs_says_that_their_form_cannot_be_held_equal() -> None:
    at = open_page(study=import_tagged(), style="true")
    assert next(toggle for toggle in at.toggle if toggle.label == "Length and form held equal").value
    assert "The form of the outputs isn't held equal. Of only 0 votes" in text_of(at)
    assert len(column(at, "name")) == 2


def test_a_link_to_the_view_shows_the_view() -> None:
    key = import_tagged()
    at = open_page(study=key, interval="raters", scale="Logits", **{"tag.category": "a"})
    link = next(element.proto.url for element in at.get("link_button"))
    for part in ("interval=raters", "tag.category=a", "scale=Logits", f"study={key}"):
        assert part in link


def test_a_long_board_is_searched_by_name_and_maker_and_keeps_its_ranks_and_its_scale() -> None:
    names = [f"Model {i:02}" for i in range(20)]
    rows = [(one, other, "left", 3) for one, other in pairwise(names)] + [(names[-1], names[0], "left", 1)]
    key = import_votes(rows)
    whole, found, none = (open_page(study=key, **asked) for asked in ({}, {"find": "MODEL 1"}, {"find": "<b>x"}))
    assert len(column(whole, "name")) == 20
    assert column(found, "name") == [name for name in column(whole, "name") if "Model 1" in name]
    place = column(whole, "name").index(column(found, "name")[0])
    assert column(found, "rank")[0] == column(whole, "rank")[place]
    assert "No model here has “<b>x” in its name" in text_of(none)
    assert column(none, "name") == []
    assert "find=MODEL" in next(element.proto.url for element in found.get("link_button"))
