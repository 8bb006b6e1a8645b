"""What a person or a model wrote reaches the page as it was meant."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.components.text import is_too_much, to_markdown

JOINER = "\u2060"


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
        (":red[x] :smile:", f"\\:{JOINER}red[x] :{JOINER}smile:"),
    ],
)
def test_what_streamlit_would_read_as_a_sign_of_its_own_is_shown_literally(text: str, shown: str) -> None:
    assert to_markdown(text) == shown


def test_latex_delimiters_become_the_ones_that_are_drawn() -> None:
    assert to_markdown(r"so \(x^2\) holds") == "so $x^2$ holds"
    assert "$$\nx^2\n$$" in to_markdown(r"\[ x^2 \]")
    assert to_markdown(r"\[a\] and \(b\) and \(c\)").split() == ["$$", "a", "$$", "and", "$b$", "and", "$c$"]


@pytest.mark.parametrize(
    "code",
    [
        "```python\nx = a[:, :n] if a >= b else -1  # -> :smile: \\(x\\) \\[y\\]\n```",
        "~~~\n:red[x] -> <= \\(x\\)\n~~~",
        "````md\n```\ninner -> :smile:\n```\n````",
        "   ```\n   indented -> by three\n   ```",
        "```\nnever closed -> :smile: >= \\(x\\)",
        "~~~sh\nnever closed -> :smile:\n```\nstill inside ->",
        "`x -> y`",
        "``a ` b -> :smile:``",
        "`` `->` ``",
        "> ```\n> quoted -> :smile:\n>\n> on -> on\n> ```",
        "1. ```sh\n   in a list -> :smile:\n\n   after a gap ->\n   ```",
        "- point\n\n      ~~~\n      deep -> :smile:\n\n      ~~~",
    ],
)
@pytest.mark.parametrize("around", ["{}", "before -> :x:\n\n{}", "before\n\n{}\n"])
def test_code_is_shown_byte_for_byte(code: str, around: str) -> None:
    """What a rater compares is what the model wrote; in code a sign more or less is a mistake."""
    assert code in to_markdown(around.format(code))


@pytest.mark.parametrize(
    "text",
    ["a lone ` here ->\n\nand ` there", "```not a fence``` -> b\n\nc -> d", "`` unequal ` -> b", "cost ` 5 -> 6"],
)
def test_backticks_that_are_no_code_do_not_hide_what_follows(text: str) -> None:
    """Streamlit would read the arrows of the prose after them."""
    assert re.search("->", to_markdown(text)) is None
    assert to_markdown(text).replace(JOINER, "") == text


def test_braces_without_a_formula_are_drawn_and_those_of_one_are_not() -> None:
    braces = '{"a": {"b": 1}}\n' * 1_500
    assert not is_too_much(braces)
    assert is_too_much(f"$x$ {braces}") and is_too_much("\\(" + "{a}" * 2_001 + "\\)")


def test_a_line_break_with_a_height_is_no_formula() -> None:
    r"""``\\\\[2pt]`` stands inside of formulas and opens none."""
    assert to_markdown(r"$$a \\[2pt] b$$ and \] c") == r"$$a \\[2pt] b$$ and \] c"
    assert to_markdown(r"\[ a \\[2pt] b \]").split("\n") == ["", "$$", r"a \\[2pt] b", "$$", ""]


def test_text_between_and_after_code_is_still_prose() -> None:
    text = "a -> b\n\n```\nc -> d\n```\n\ne -> f `g -> h` i -> j"
    assert to_markdown(text).count(JOINER) == 3
    assert to_markdown(text).replace(JOINER, "") == text


@pytest.mark.parametrize(
    "text",
    [
        "It costs $5 and then $10.",
        "US$5, A$10 and 20$",
        "from $1,000 to $2,000 a year",
        "a lone $ sign",
        "C:\\path\\(x86)",
        "10:30 and http://example.org:8080/a",
        "a < b > c = d",
        "co-operate, -1, 5 - 3",
        "**bold**, _soft_, [link](https://example.org) and <b>tags</b>",
        "x^2 and \\\\ and \\$",
        "",
        "\n",
    ],
)
def test_prices_times_paths_and_plain_signs_stay_as_they_are(text: str) -> None:
    assert to_markdown(text) == text


WRITTEN = st.lists(
    st.one_of(
        st.text(max_size=8),
        st.sampled_from(
            ["`", "```", "~~~", "\n", "\n\n", "$", "$$", ":", ":red[x]", ":smile:", "->", "<-", "--", ">=", "<="]
        ),
        st.sampled_from(
            ["!=", "==", "\\(", "\\)", "\\[", "\\]", "| a |", "---", "===", "> ", "    ", "\\", "<b>", "x", "5"]
        ),
    ),
    max_size=30,
).map("".join)


def bare(value: str) -> str:
    """Without joiners, and with a colon for an escaped one, which reads the same."""
    return re.sub(r"(?<!\\)((?:\\\\)*)\\:", r"\1:", value.replace(JOINER, ""))


@given(WRITTEN)
@example("\\:0:")
@example("```\n```")
@example("`" * 7 + "\n" + "`" * 7)
def test_whatever_is_written_only_gains_what_cannot_be_seen(text: str) -> None:
    """Without LaTeX delimiters, taking the joiners out gives back the text; nothing is lost, moved or doubled."""
    plain = re.sub(r"\\[\[(]", "", text).replace(JOINER, "")
    assert bare(to_markdown(plain)) == bare(plain)


@given(WRITTEN)
@example("\\:0:")
def test_no_text_raises_or_vanishes(text: str) -> None:
    """With LaTeX delimiters too: apart from them, from dollars and from white space, every sign is still there."""

    def signs(value: str) -> str:
        return re.sub(r"\\[\[\]()]|[$\s]", "", bare(value))

    assert signs(to_markdown(text)) == signs(text)


OPENINGS = [
    "\\(",
    "\\[",
    "\\(a\\[",
    "$a",
    "`",
    "~~~\n",
    "``` ",
    "> ",
    "1. ```\n",
    ":a",
    "[",
    "-",
    "<",
    "| - ",
    "\\",
    " ",
]


@pytest.mark.parametrize("opening", OPENINGS)
def test_openings_by_the_thousand_take_time_in_proportion(opening: str) -> None:
    """A32: 200 kB of openings that nothing closes must not hold the server; in proportion is well under a second."""
    text = opening * (200_000 // len(opening))
    began = time.process_time()
    to_markdown(text)
    assert time.process_time() - began < 5
