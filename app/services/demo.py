"""The demo: sample prompts, generations of four sample models, and votes that are simulated and say so."""

from __future__ import annotations

import io
import json
from pathlib import Path
from random import Random

import app.samples
from app.domain import Identity, Outcome, Role
from app.services import experiments, generations, prompt_sets, sign_in, vote_files

TITLE = "Sample answers: which would you rather receive?"
SIMULATED = "Simulated votes (not people)"
# How good each sample model is to the simulated raters, in logits.
STRENGTH = {"Sample Heron": 1.0, "Sample Plover": 0.75, "Sample Dunlin": -0.35, "Sample Sparrow": -1.4}
_N_RATERS, _N_VOTES = 40, 900


def _open(name: str) -> io.BytesIO:
    return io.BytesIO((Path(app.samples.__file__).parent / name).read_bytes())


def build_demo(actor: Identity | None = None) -> bool:
    """Fill an empty database with the samples; False when the demo's study is there already."""
    if any(row.title == TITLE for row in experiments.list_experiments(actor)):
        return False
    prompt_set = prompt_sets.import_prompts(actor, _open("prompts.jsonl"), name="Sample prompts")
    generations.import_models(actor, _open("models.jsonl"))
    generations.import_generations(actor, _open("generations.jsonl"), prompt_set_id=prompt_set.id)
    vote_files.import_votes(actor, _simulate_votes(), title=SIMULATED, prompt_set_id=prompt_set.id, is_simulated=True)
    models = {row.name: row.id for row in generations.list_models(actor)}
    study = experiments.create_experiment(
        actor,
        title=TITLE,
        prompt_set_id=prompt_set.id,
        model_ids=[models[name] for name in STRENGTH],
        votes_per_pair=60,
        votes_per_rater=40,
    )
    experiments.start_experiment(actor, study)
    return True


def _simulate_votes() -> io.BytesIO:
    """Votes of raters who follow a Davidson model with ``STRENGTH``, whose tie rate and side are drawn too."""
    rng = Random(20261122)  # noqa: S311 - a simulation that anybody can run again
    prompt_ids = [json.loads(line)["id"] for line in _open("prompts.jsonl").read().decode().splitlines()]
    lines = []
    for number in range(_N_VOTES):
        a, b = rng.sample(list(STRENGTH), 2)
        p_a = 1 / (1 + 2.718281828 ** (STRENGTH[b] - STRENGTH[a]))
        p_tie, p_bad = 0.16, 0.22 * (1 - max(p_a, 1 - p_a)) if max(STRENGTH[a], STRENGTH[b]) < 0 else 0.02
        chances = (p_a * (1 - p_tie - p_bad), (1 - p_a) * (1 - p_tie - p_bad), p_tie, p_bad)
        outcome = rng.choices(list(Outcome), chances)[0]
        row = {"prompt_id": rng.choice(prompt_ids), "left": a, "right": b, "winner": _side(outcome)}
        lines.append(json.dumps({**row, "rater": f"simulated-{number % _N_RATERS}"}))
    return io.BytesIO("\n".join(lines).encode())


def _side(outcome: Outcome) -> str:
    return {Outcome.MODEL_A: "left", Outcome.MODEL_B: "right"}.get(outcome, outcome.value)


def demo_links() -> dict[Role, str]:
    """A fresh sign-in link for each kind of person; the rater's may be used by many."""
    return {
        role: sign_in.create_invite(None, role=role, label="demo", max_uses=100 if role == Role.RATER else 1, days=7)
        for role in Role
    }
