"""The sample content of ``bakeoff demo`` is complete, blind and varied."""

from __future__ import annotations

import json
import re
from importlib.resources import files

import pytest

import app.samples

BEST = "Sample Heron"
CATEGORIES = {"explanation", "coding", "mathematics", "writing", "reasoning", "instructions"}


def rows(name: str) -> list[dict]:
    text = files(app.samples).joinpath(f"{name}.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture(scope="module")
def prompts() -> list[dict]:
    return rows("prompts")


@pytest.fixture(scope="module")
def models() -> list[dict]:
    return rows("models")


@pytest.fixture(scope="module")
def generations() -> list[dict]:
    return rows("generations")


def code_blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)


def test_at_least_24_prompts_cover_exactly_the_six_categories(prompts):
    assert len(prompts) >= 24
    assert {prompt["tags"]["category"] for prompt in prompts} == CATEGORIES


def test_prompt_ids_are_unique(prompts):
    assert len({prompt["id"] for prompt in prompts}) == len(prompts)


def test_a_prompt_is_either_a_text_or_messages_that_end_with_the_user(prompts):
    for prompt in prompts:
        assert ("prompt" in prompt) != ("messages" in prompt), prompt["id"]
        assert prompt.get("prompt", "text").strip(), prompt["id"]
        if "messages" in prompt:
            roles = [message["role"] for message in prompt["messages"]]
            assert roles[-1] == "user", prompt["id"]
            assert all(message["content"].strip() for message in prompt["messages"]), prompt["id"]


def test_some_prompts_have_several_turns_and_some_are_not_english(prompts):
    assert sum("messages" in prompt for prompt in prompts) >= 2
    assert sum(prompt["tags"]["language"] != "en" for prompt in prompts) >= 2


def test_model_names_are_unique_and_declared_as_samples(models):
    assert len({model["name"] for model in models}) == len(models) == 4
    assert all(model["name"].startswith("Sample ") for model in models)


def test_each_model_has_exactly_one_generation_for_each_prompt(prompts, models, generations):
    pairs = [(generation["prompt_id"], generation["model"]) for generation in generations]
    assert sorted(pairs) == sorted((prompt["id"], model["name"]) for prompt in prompts for model in models)


def test_no_output_is_empty_and_each_has_a_latency_and_a_token_count(generations):
    for generation in generations:
        assert generation["output"].strip(), generation["prompt_id"]
        assert generation["latency_ms"] > 0
        assert generation["output_tokens"] > 0


def test_two_models_never_give_the_same_output(generations):
    assert len({(generation["prompt_id"], generation["output"]) for generation in generations}) == len(generations)


def test_no_output_names_a_model(models, generations):
    """Neither the full name nor its bird stands in an output, so the content can't unblind a rater."""
    birds = [model["name"].removeprefix("Sample ").casefold() for model in models]
    for generation in generations:
        output = generation["output"].casefold()
        assert not [bird for bird in birds if bird in output], generation["prompt_id"]


@pytest.mark.parametrize("language", ["python", "sql", "javascript", "bash"])
def test_outputs_hold_code_blocks_of_each_language(generations, language):
    assert any(code_blocks(generation["output"], language) for generation in generations)


def test_every_code_fence_is_closed(generations):
    for generation in generations:
        assert len(re.findall(r"^```", generation["output"], flags=re.MULTILINE)) % 2 == 0, generation["prompt_id"]


@pytest.mark.parametrize("latex", [r"\$[^$\n]+\$", r"\$\$.+?\$\$", r"\\\(.+?\\\)", r"\\\[.+?\\\]"])
def test_outputs_hold_latex_in_each_notation(generations, latex):
    """Dollar, double dollar, round and square delimiters all occur, so the demo exercises the formula renderer."""
    assert any(re.search(latex, generation["output"], flags=re.DOTALL) for generation in generations)


def test_python_code_of_the_best_model_compiles(generations):
    blocks = [
        (generation["prompt_id"], block)
        for generation in generations
        if generation["model"] == BEST
        for block in code_blocks(generation["output"], "python")
    ]
    assert blocks
    for prompt_id, block in blocks:
        compile(block, prompt_id, "exec")
