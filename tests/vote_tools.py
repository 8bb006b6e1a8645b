"""Records of Label Studio, Argilla, TRL, OpenAI's DPO and HelpSteer3 as those tools write them, made up by us."""

from __future__ import annotations

from typing import Any

ONE_VOTE = {  # the smallest file of each format of votes that is text
    "votes_jsonl": b'{"model_a": "m1", "model_b": "m2", "winner": "tie"}\n',
    "votes_alpacaeval": b'{"generator_1": "m1", "generator_2": "m2", "preference": 1.5}\n',
    "votes_csv": b"model_a,model_b,winner\nm1,m2,tie\n",
    "votes_labelstudio": b'{"data": {"model1": "m1", "model2": "m2"}, "annotations": [{"result": []}]}\n',
    "votes_argilla": b'{"model_a": "m1", "model_b": "m2", "preference.responses": ["tie"]}\n',
    "votes_trl": b'{"chosen": "a", "rejected": "b", "chosen_model": "m1", "rejected_model": "m2"}\n',
    "votes_openai_dpo": b'{"preferred_output": [], "non_preferred_output": [], "preferred_model": "m1", '
    b'"non_preferred_model": "m2"}\n',
    "votes_helpsteer3": b'{"response1": "a", "response2": "b", "overall_preference": 0, "model1": "m1", '
    b'"model2": "m2"}\n',
}


def labelled(*results: dict[str, Any], **values: Any) -> dict[str, Any]:
    """An annotation as Label Studio exports it."""
    return {
        "id": 4,
        "completed_by": 10,
        "result": list(results),
        "was_cancelled": False,
        "ground_truth": False,
        "created_at": "2025-03-09T22:16:08.728353Z",
        "updated_at": "2025-03-10T22:16:08.728378Z",
        "draft_created_at": None,
        "lead_time": 4.288,
        "prediction": {},
        "result_count": 0,
        "unique_id": "d0c0a1c5",
        "task": 1,
        **values,
    }


def selected(side: object) -> dict[str, Any]:
    value = {"selected": side}
    return {"value": value, "id": "x", "from_name": "pw", "to_name": "t1,t2", "type": "pairwise", "origin": "manual"}


def chosen(*labels: object, name: str = "better") -> dict[str, Any]:
    return {"value": {"choices": list(labels)}, "id": "y", "from_name": name, "to_name": "t1", "type": "choices"}


DATA = {"prompt": "[1] Why?", "answer1": "Because.", "answer2": "So.", "model1": "x", "model2": "y"}


def task(*annotations: Any, **data: Any) -> dict[str, Any]:
    return {
        "id": 1,
        "annotations": list(annotations),
        "file_upload": "a1-tasks.json",
        "drafts": [],
        "predictions": [{"model_version": "judge", "result": [selected("right")]}],
        "data": {**DATA, **data},
        "meta": {},
        "created_at": "2025-03-09T21:52:49.513742Z",
        "inner_id": 1,
        "total_annotations": len(annotations),
        "project": 83,
    }


USER, OTHER = "0a2c8b3e-0000-4000-8000-000000000001", "0a2c8b3e-0000-4000-8000-000000000002"


def record(*answers: dict[str, Any], question: str = "preference", **values: Any) -> dict[str, Any]:
    """A record as ``dataset.records.to_json`` of Argilla 2 writes it."""
    return {
        "id": "r1",
        "fields": {"instruction": "Why?", "response1": "Because.", "response2": "So."},
        "metadata": {"model1": "x", "model2": "y", "category": "maths"},
        "suggestions": {question: {"value": "response2", "score": 0.9, "agent": "judge"}},
        "responses": {question: list(answers)},
        "vectors": {},
        "status": "completed",
        "_server_id": "9f1c",
        **values,
    }


def said(value: object, user: str = USER, **values: Any) -> dict[str, Any]:
    return {"value": value, "user_id": user, **values}


def flat(**values: Any) -> dict[str, Any]:
    """A record as Argilla writes it to a data set."""
    answers = {"q.responses": ["a"], "q.responses.users": [USER], "q.responses.status": ["submitted"]}
    named = {"id": "r", "prompt": "Why?", "response_a": "Because.", "response_b": "So.", "metadata.model_a": "x"}
    return {**named, "metadata.model_b": "y", **answers, "q.suggestion": "b", **values}


TRL = {"prompt": "Why?", "chosen": "Because.", "rejected": "So.", "chosen_model": "x", "rejected_model": "y"}
SAID = [{"role": "user", "content": "Why?"}]
BECAUSE, SO = ([{"role": "assistant", "content": text}] for text in ("Because.", "So."))
DPO = {
    "input": {"messages": SAID, "tools": [], "parallel_tool_calls": True},
    "preferred_output": BECAUSE,
    "non_preferred_output": SO,
    "preferred_model": "x",
    "non_preferred_model": "y",
}
HELPSTEER = {
    "domain": "general",
    "language": "english",
    "context": SAID,
    "response1": "Because.",
    "response2": "So.",
    "overall_preference": -2,
    "individual_preference": [
        {"score": -3, "reasoning": "It is.", "feedback1": "Good and long.", "feedback2": "wrong, shallow"},
        {"score": 1, "reasoning": "", "feedback1": None, "feedback2": "clear"},
        {"score": 0},
        {"score": -2},
    ],
    "model1": "x",
    "model2": "y",
}
