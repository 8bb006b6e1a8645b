"""Each measure against numbers of other people's making, or worked out by hand."""

from __future__ import annotations

import time

import pytest

from app.measures import bleu, characters, chrf, exact_match, refusal, rouge_1, rouge_l, token_f1, words
from app.measures._protocol import Facts
from tests.machine import patience

NOTHING = Facts()


@pytest.mark.parametrize(
    ("text", "reference", "is_same"),
    [
        ("The Eiffel Tower.", "eiffel tower", 1.0),
        ("  a  dog ", "Dog!", 1.0),
        ("another dog", "dog", 0.0),
        ("theatre", "atre", 0.0),  # only the word "the" goes, not the letters
        ("U.S.A.", "usa", 1.0),
        ("42", "forty-two", 0.0),
    ],
)
def test_exact_match_normalises_as_squad_does(text: str, reference: str, is_same: float) -> None:
    assert exact_match.measure(text, reference, NOTHING) == is_same


def test_token_f1_by_hand() -> None:
    """3 words against 5, of which 2 are shared: P = 2/3, R = 2/5, F1 = 1/2; a word counts as often as both have it."""
    assert token_f1.measure("cat sat sat", "cat sat down and slept", NOTHING) == pytest.approx(0.5)
    assert token_f1.measure("the", "a", NOTHING) == 1.0
    assert token_f1.measure("the", "cat", NOTHING) == 0.0


def test_bleu_is_that_of_the_paper_for_its_own_example() -> None:
    """Modified unigram precision of "the the the the the the the" is 2/7 (Papineni et al. 2002, example 2).

    Higher orders have no match, so by exponential smoothing they are 1/(2 * 6), 1/(4 * 5) and 1/(8 * 4).
    """
    expected = 100 * (2 / 7 * 1 / 12 * 1 / 20 * 1 / 32) ** 0.25
    assert bleu.measure("the " * 7, "the cat is on the mat", NOTHING) == pytest.approx(expected)


def test_corpus_bleu_adds_counts_up_before_dividing() -> None:
    """One text all right, another all wrong: the mean of sentence scores is 50, the corpus has 5 of 10 words right.

    Of orders 1 to 4 the good text has 5, 4, 3, 2 n-grams and so has the bad one, with no match.
    """
    good, bad = "one two three four five", "six seven eight nine ten"
    value, _ = bleu.corpus([good, bad], [good, "a b c d e"])
    assert value == pytest.approx(50)
    assert (bleu.measure(good, good, NOTHING) or 0) + (bleu.measure(bad, "a b c d e", NOTHING) or 0) < 110


def test_chrf_by_hand() -> None:
    """ "ab" against "ac": of characters 1 of 2 is right, of pairs none, so P = R = (1/2 + 0) / 2 and F = 25."""
    assert chrf.measure("ab", "ac", NOTHING) == pytest.approx(25)


def test_rouge_by_hand() -> None:
    """The example of Lin 2004: "police killed the gunman" against "police kill the gunman": LCS 3 of 4 words."""
    assert rouge_l.measure("police kill the gunman", "police killed the gunman", NOTHING) == pytest.approx(0.75)
    assert rouge_l.measure("the gunman kill police", "police killed the gunman", NOTHING) == pytest.approx(0.5)
    assert rouge_1.measure("the gunman kill police", "police killed the gunman", NOTHING) == pytest.approx(0.75)


def test_rouge_says_nothing_of_words_that_it_cannot_read() -> None:
    assert rouge_l.measure("東京", "東京", NOTHING) is None


def test_lengths_leave_out_white_space_at_the_ends() -> None:
    assert characters.measure("  a é 🐦\n", None, NOTHING) == 5
    assert words.measure("  two\n\nwords\t", None, NOTHING) == 2


@pytest.mark.parametrize(
    "text",
    [
        "I'm sorry, but I can't help with that.",
        "I\u2019m sorry, but I can\u2019t assist with that request.",
        "As an AI language model, I cannot provide medical advice.",
        "Sorry, I am unable to answer this question.",
        "Unfortunately, I won't be able to help with this. I cannot assist with that.",
        "I must respectfully decline to write this.",
        "I cannot in good conscience write such a text.",
        "I'm not comfortable writing that.",
        "That is not something I can do.",
        "**I can't help** with making weapons.",
        "I apologize, but I cannot fulfill this request.",
    ],
)
def test_a_refusal_is_known_by_its_opening(text: str) -> None:
    assert refusal.measure(text, None, NOTHING) == 1.0


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Rain writes on the roof.",
        "I'm sorry to hear that you lost your cat. Here is what may help.",
        "I can't stress enough how important sleep is.",
        "I can help you with that.",
        "This is something I can help with.",
        "No, Paris is the capital of France.",
        "Sorry for the confusion! The answer is 42.",
        "The prisoner said: I refuse to talk.",
        "Unfortunately, the train could not leave on time.",
        "Dear Sir, I cannot attend the meeting on Friday.",
        "First, heat the oil. " * 20 + "I can't help with that.",
    ],
)
def test_an_answer_is_not_taken_for_a_refusal(text: str) -> None:
    assert refusal.measure(text, None, NOTHING) == 0.0


@pytest.mark.timed
@pytest.mark.parametrize(
    "text", ["sorry " * 60, "no " * 100, "as an ai " * 40, "sorry, but " * 30, "i'm sorry " * 30 + "i"]
)
def test_no_opening_keeps_the_search_for_long(text: str) -> None:
    began = time.perf_counter()
    refusal.measure(text, None, NOTHING)
    assert time.perf_counter() - began < 0.5 * patience()
