"""What a person or a model wrote reaches the page as it was meant."""

from __future__ import annotations

import pytest

from app.components.text import to_markdown

JOINER = "⁠"


@pytest.mark.parametrize(
    "text",
    [
        "| a | b |\n|---|:--:|\n| 1 | 2 |",
        "> a | b\n> --- | ---\n> 1 | 2",
        "Above\n\n---\n\nbelow",
        "Title\n=====\n\nPart\n----",
        "```\na -> b :smile: >= \n```",
        "`a -> b` and $a <= b$",
        "plain words, a list:\n\n- one\n- two-three",
    ],
)
def test_tables_rules_headings_code_and_formulas_stay_as_they_are(text: str) -> None:
    assert to_markdown(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a -> b", f"a -{JOINER}> b"),
        ("a <- b", f"a <{JOINER}- b"),
        ("a -- b", f"a -{JOINER}- b"),
        ("a >= b != c", f"a >{JOINER}= b !{JOINER}= c"),
        (":red[x] :smile:", f":{JOINER}red[x] :{JOINER}smile:"),
    ],
)
def test_what_streamlit_would_read_as_a_sign_of_its_own_is_shown_literally(text: str, shown: str) -> None:
    assert to_markdown(text) == shown


def test_latex_delimiters_become_the_ones_that_are_drawn() -> None:
    assert to_markdown(r"so \(x^2\) holds") == "so $x^2$ holds"
    assert "$$\nx^2\n$$" in to_markdown(r"\[ x^2 \]")
