"""The part of the Leaderboard page that shows what programs say, run by Streamlit's own tester."""

from __future__ import annotations

import re
from uuid import UUID

import pytest
from streamlit.testing.v1 import AppTest

from app.domain import Role
from app.services import experiments, generations, judging, leaderboard, prompt_sets, sign_in, vote_files
from tests.conftest import ROOT
from tests.judge_server import JudgeServer, shown_answers
from tests.stored import n_rows
from tests.studies import jsonl
from tests.tester import html_of, text_of

pytestmark = [
    pytest.mark.filterwarnings("default::DeprecationWarning"),
    pytest.mark.usefixtures("data_folder"),
]
PAGE = str(ROOT / "app" / "ui.py")


def a_study(n_models: int = 6, n_prompts: int = 4) -> UUID:
    """Models M0 .. whose lower number people prefer, mostly, and whose outputs grow longer with it."""
    names = [f"M{i}" for i in range(n_models)]
    prompts = prompt_sets.import_prompts(
        None,
        jsonl(*({"id": f"p{j}", "prompt": f"question {j}", "reference": f"word {j}"} for j in range(n_prompts))),
        name="Questions",
    )
    votes: list[dict[str, object]] = [
        {
            "prompt_id": f"p{j}",
            "left": names[a],
            "right": names[b],
            "winner": "right" if j == 0 and b == a + 1 else "left",
            "rater": f"r{rater}",
        }
        for j in range(n_prompts)
        for a in range(n_models)
        for b in range(a + 1, n_models)
        for rater in range(3)
    ]
    done = vote_files.import_votes(None, jsonl(*votes), title="People", prompt_set_id=prompts.id)
    outputs: list[dict[str, object]] = [
        {"prompt_id": f"p{j}", "model": name, "output": "word " * (i + 1) + str(j), "latency_ms": 100.0 * (i + j)}
        for i, name in enumerate(names)
        for j in range(n_prompts)
    ]
    generations.import_generations(None, jsonl(*outputs), prompt_set_id=prompts.id)
    return done.experiment_id


def open_page(role: Role = Role.RESEARCHER, **address: str) -> AppTest:
    link = sign_in.create_invite(None, role=role)
    at = AppTest.from_file(PAGE, default_timeout=60)
    at.user = {"session": sign_in.hash_token(sign_in.open_link(link.split("token=")[1]))}
    for name, value in address.items():
        at.query_params[name] = value
    if role == Role.ADMIN:
        at.run()
        at.switch_page(str(ROOT / "pages" / "leaderboard.py"))
    at.run()
    assert not at.exception
    return at


def test_measures_are_shown_only_when_asked_for() -> None:
    a_study()
    at = open_page()
    assert "Beside people's votes" in text_of(at)
    assert "bo-measures" not in html_of(at)
    assert "measure" not in [button.key for button in at.button]


def test_a_researcher_measures_the_outputs_and_reads_how_they_go_with_people() -> None:
    experiment_id = a_study()
    before = leaderboard.get_leaderboard(None, experiment_id).ranking
    at = open_page(beside="Automatic measures")
    assert at.button(key="measure").label == "Measure 24 outputs"
    at.button(key="measure").click().run()
    assert not at.exception
    assert n_rows()["measure"] == 24 * 12
    said = text_of(at)
    assert "measure" not in [button.key for button in at.button]
    assert "Words: Kendall's tau −1.00 (−1.00 to " in said
    assert "6 models). Models with a lower value are preferred." in said
    assert said.count("With fewer than 10 models these intervals are rough.") == 1
    assert "Cost" not in said  # nobody recorded it
    cards = re.findall(r"<section><h3[^>]*>([^<]+)<.*?</section>", html_of(at), re.DOTALL)
    assert {"BLEU", "chrF", "Token F1", "Words", "Latency", "Refusal"} <= set(cards)
    words = next(part for part in html_of(at).split("<section>") if part.startswith("<h3") and ">Words<" in part)
    assert re.findall(r"<td>([^<]+)</td>", words) == ["2.0", "3.0", "4.0", "5.0", "6.0", "7.0"]
    latency = next(part for part in html_of(at).split("<section>") if ">Latency<" in part[:200])
    assert "0.15 s; from " in latency
    assert leaderboard.get_leaderboard(None, experiment_id).ranking == before


def test_the_values_of_the_corpus_come_with_their_signature() -> None:
    a_study(n_models=2)
    at = open_page(beside="Automatic measures")
    at.button(key="measure").click().run()
    at.toggle(key="corpus").set_value(True).run()
    assert not at.exception
    said = text_of(at)
    assert "Whole corpus" in said
    assert "nrefs:1|case:mixed|eff:no|tok:13a" in said


def test_few_models_and_a_study_without_prompts_are_said_in_words() -> None:
    a_study(n_models=3)
    at = open_page(beside="Automatic measures")
    at.button(key="measure").click().run()
    assert "Words: no correlation, too few models: 3 have both, and it takes 5." in text_of(at)
    vote_files.import_votes(None, jsonl({"left": "X", "right": "Y", "winner": "left"}), title="No prompts")
    key = next(row.key for row in experiments.list_experiments(None) if row.title == "No prompts")
    assert "names no prompt set" in text_of(open_page(beside="Automatic measures", study=key))


def test_without_a_judge_it_says_how_to_ask_one() -> None:
    a_study(n_models=2)
    said = text_of(open_page(beside="LLM judges"))
    assert 'bakeoff judge people --model "NAME"' in said


def test_a_judge_has_a_panel_with_its_bias_and_its_agreement() -> None:
    experiment_id = a_study()

    def shorter_wins(question: str) -> str:
        first, second = shown_answers(question)
        return f"VERDICT: {'A' if len(first) < len(second) else 'B'}"

    servers = [JudgeServer(shorter_wins), JudgeServer(lambda _: "VERDICT: A")]
    try:
        judging.judge_experiment(None, experiment_id, servers[0].register("<b>Fair</b> & square"))
        judging.judge_experiment(None, experiment_id, servers[1].register("M0", version="judge"))
    finally:
        for server in servers:
            server.close()
    at = open_page(beside="LLM judges")
    assert "&lt;b&gt;Fair&lt;/b&gt; &amp; square" in html_of(at)
    said = " ".join(text_of(at).split())
    assert "120 verdicts, 0 unreadable, 0 failed" in said
    assert "Its own order: M0, M1, M2, M3, M4, M5." in said
    assert "Position bias 100 % Named the first side in both orders" in said
    assert "one of the compared models" in said


def test_a_rater_sees_nothing_of_it() -> None:
    a_study(n_models=2)
    link = sign_in.create_invite(None, role=Role.RATER)
    at = AppTest.from_file(str(ROOT / "pages" / "leaderboard.py"), default_timeout=30)
    at.user = {"session": sign_in.hash_token(sign_in.open_link(link.split("token=")[1]))}
    at.query_params["beside"] = "Automatic measures"
    at.run()
    assert at.exception
    assert "Beside people" not in text_of(at)
    assert not at.button
