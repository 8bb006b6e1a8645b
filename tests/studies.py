"""Small studies for tests, made through the services that people use."""

from __future__ import annotations

import base64
import io
import json
from uuid import UUID

import numpy as np
from PIL import Image

from app.domain import Identity, Role
from app.services import experiments, generations, prompt_sets, sign_in, vote_files


def jsonl(*rows: dict[str, object]) -> io.BytesIO:
    """A file of JSON lines."""
    return io.BytesIO("\n".join(json.dumps(row) for row in rows).encode())


def png(colour: str = "red", size: tuple[int, int] = (8, 6), **options: object) -> bytes:
    """A small image; the options are those of its format."""
    stream = io.BytesIO()
    Image.new("RGB", size, colour).save(stream, str(options.pop("format", "PNG")), **options)  # type: ignore[arg-type]
    return stream.getvalue()


def data_url(data: bytes) -> str:
    """An image as an attachment that carries it."""
    return "data:image/png;base64," + base64.b64encode(data).decode()


def person(role: Role = Role.RATER, experiment_id: UUID | None = None) -> Identity:
    """Somebody who followed an invite link."""
    path = sign_in.create_invite(None, role=role, experiment_id=experiment_id)
    found = sign_in.identify(sign_in.hash_token(sign_in.open_link(path.partition("token=")[2])))
    assert found is not None
    return found


def study(
    *,
    n_models: int = 3,
    n_prompts: int = 4,
    votes_per_pair: int = 10,
    min_dwell_ms: int = 0,
    is_started: bool = True,
    **options: object,
) -> UUID:
    """A running study of models "Model 0".. on prompts "p0"..; the output of model i for prompt j is "answer i j".

    It stays a draft unless ``is_started``.
    """
    names = [f"Model {i}" for i in range(n_models)]
    prompts = prompt_sets.import_prompts(
        None, jsonl(*({"id": f"p{j}", "prompt": f"question {j}"} for j in range(n_prompts))), name="Questions"
    )
    generations.import_generations(
        None,
        jsonl(
            *(
                {"prompt_id": f"p{j}", "model": name, "output": f"answer {i} {j}"}
                for i, name in enumerate(names)
                for j in range(n_prompts)
            )
        ),
        prompt_set_id=prompts.id,
    )
    listed = {row.name: row.id for row in generations.list_models(None)}
    experiment_id = experiments.create_experiment(
        None,
        title="Test study",
        prompt_set_id=prompts.id,
        model_ids=[listed[name] for name in names],
        votes_per_pair=votes_per_pair,
        min_dwell_ms=min_dwell_ms,
        **options,  # type: ignore[arg-type]
    )
    if is_started:
        experiments.start_experiment(None, experiment_id)
    return experiment_id


def contrary_votes(
    n_raters: int, each: int, *, contrary: int, agree: float, title: str = "Planted", seed: int = 1
) -> UUID:
    """Votes on three models of clear order; rater ``contrary`` says the opposite of what the others say."""
    rng, rows, names = np.random.default_rng(seed), list[dict[str, object]](), ("Ash", "Birch", "Cedar")
    for rater in range(n_raters):
        for _ in range(each):
            i, j = rng.permutation(3)[:2].tolist()
            is_better = (i < j) == (rng.random() < agree)
            winner = "left" if is_better != (rater == contrary) else "right"
            rows.append({"left": names[i], "right": names[j], "winner": winner, "rater": f"r{rater}"})
    return vote_files.import_votes(None, jsonl(*rows), title=title).experiment_id
