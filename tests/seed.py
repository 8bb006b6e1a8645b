"""Fill a database for an end-to-end test: ``python -m tests.seed '[{"folder": ..., "min_dwell_ms": 500}]'``.

It runs in a process of its own, under the same environment as the server, and prints the studies it made as JSON.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import app.samples
from app.domain import LeakChoice, Role
from app.services import experiments, generations, leak_check, prompt_sets, sign_in, system
from app.services.coverage import get_coverage
from app.study import asks_of

SAMPLES = Path(app.samples.__file__).parent
TITLE = "Which answer is better?"


def seed(folder: Path = SAMPLES, *, leak_choice: str = "", **rules: Any) -> dict[str, Any]:
    """Start a study of all models in ``folder``; returns its id, its key and sign-in links of every role.

    ``leak_choice`` is what becomes of outputs that name their maker; without it nobody is shown them.
    """
    system.prepare_database()
    if "asks" in rules:
        rules["asks"] = asks_of(rules["asks"])
    with (folder / "prompts.jsonl").open("rb") as stream:
        prompt_set = prompt_sets.import_prompts(None, stream, name=str(folder))
    with (folder / "models.jsonl").open("rb") as stream:
        generations.import_models(None, stream)
    with (folder / "generations.jsonl").open("rb") as stream:
        generations.import_generations(None, stream, prompt_set_id=prompt_set.id)
    models = [id_ for id_, _ in get_coverage(None, prompt_set.id).models]
    if leak_choice:
        for id_ in models:
            leak_check.choose_for_model(None, id_, LeakChoice(leak_choice))
    study = experiments.create_experiment(None, title=TITLE, prompt_set_id=prompt_set.id, model_ids=models, **rules)
    experiments.start_experiment(None, study)
    row = next(row for row in experiments.list_experiments(None) if row.id == study)
    return {
        "experiment_id": str(study),
        "key": row.key,
        "rater": sign_in.create_invite(None, role=Role.RATER, experiment_id=study, max_uses=1000),
        "researcher": sign_in.create_invite(None, role=Role.RESEARCHER),
        "admin": sign_in.create_invite(None, role=Role.ADMIN),
    }


def main() -> None:
    studies = json.loads(sys.argv[1])
    print(json.dumps([seed(Path(study.pop("folder", SAMPLES)), **study) for study in studies]))


if __name__ == "__main__":
    main()
