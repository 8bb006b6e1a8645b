"""One flavour of Markdown: the same signs for the same meaning, and code as it was."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.services.normalising import normalised


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\n\n  words  \n\n\n\nmore\n\n", "  words\n\nmore"),
        ("* one\n+ two\n• three\n  * four", "- one\n- two\n- three\n  - four"),
        ("1) one\n2) two", "1. one\n2. two"),
        ("Title\n=====\n\nPart\n----\ntext", "# Title\n\n## Part\ntext"),
        ("## Closed ##\n#   Wide", "## Closed\n# Wide"),
        ("__strong__ and _soft_", "**strong** and *soft*"),
        ("a\n\n***\n\nb\n\n_ _ _", "a\n\n---\n\nb\n\n---"),
        ("~~~py\nx\n~~~", "```py\nx\n```"),
        ("a\r\nb", "a\nb"),
    ],
)
def test_signs_that_mean_the_same_become_the_same(text: str, shown: str) -> None:
    assert normalised(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "```\n* a\n__b__\n\n\n\n1) c   \n```",
        "`__init__` and `* x`",
        "$a_b + c_d$ and snake_case_name",
        "a_b_c, 2 * 3 * 4, f(__x__y)",
        "| a | b |\n|---|---|\n| 1 | 2 |",
        "1.5) is no list",
        "- one\n- two",
    ],
)
def test_code_formulas_tables_and_names_stay(text: str) -> None:
    assert normalised(text) == text


def test_a_fence_of_tildes_around_backticks_stays_a_fence() -> None:
    assert normalised("~~~\n```\nx\n```\n~~~") == "````\n```\nx\n```\n````"


@given(st.lists(st.sampled_from(["* ", "a", "\n", "\n\n", "_", "__", "```", "~~~\n", "# ", "1) ", "=", "$", "`", " "])))
def test_no_word_is_lost_and_a_second_time_changes_nothing_more(pieces: list[str]) -> None:
    text = "".join(pieces)
    assert re.sub(r"[^a]", "", normalised(text)) == re.sub(r"[^a]", "", text)


@pytest.mark.parametrize("opening", ["__a", "_a ", "* ", "```\n", "~~~\n", "# a #", "a\n=\n\n", "`", "$a", "\n \n"])
def test_openings_by_the_thousand_take_time_in_proportion(opening: str) -> None:
    began = time.process_time()
    normalised(opening * (100_000 // len(opening)))
    assert time.process_time() - began < 5
