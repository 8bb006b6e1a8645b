"""Where attention checks and repeats come in a rater's battles: each stretch has its one, and nobody foresees where."""

from __future__ import annotations

import math
import random
from collections import Counter
from types import SimpleNamespace

import pytest

from app.services.leading import LEAST_GAP, _chance, _checks_to_come
from app.study import Flow


def walk(flow: Flow, n_battles: int, rng: random.Random) -> list[str]:
    """What a rater's battles are: the choices of `plan_battle`, when there is always a check and a battle to repeat."""
    led, kinds = SimpleNamespace(n_served=0, n_gold=0, n_repeats=0), list[str]()
    for at in range(n_battles):
        kind = "normal"
        if led.n_served and rng.random() < _chance(at, flow.gold_every, led.n_gold):
            kind = "gold"
        elif led.n_served:
            chance = _chance(at, flow.repeat_every, led.n_repeats, _checks_to_come(at, flow, led.n_gold))
            if rng.random() < chance and led.n_served > LEAST_GAP:
                kind = "repeat"
        led.n_served += kind == "normal"
        led.n_gold += kind == "gold"
        led.n_repeats += kind == "repeat"
        kinds.append(kind)
    return kinds


@pytest.mark.parametrize(("gold_every", "repeat_every"), [(4, 4), (4, 6), (5, 10), (3, 7), (10, 5), (None, 6)])
def test_a_check_at_the_last_place_takes_no_repeat_away(gold_every: int | None, repeat_every: int) -> None:
    flow, rng = Flow(gold_every=gold_every, repeat_every=repeat_every), random.Random(5)
    n_battles = 3 * math.lcm(repeat_every, gold_every or 1)
    for _ in range(300):
        kinds = walk(flow, n_battles, rng)
        assert kinds.count("gold") == (n_battles // gold_every if gold_every else 0)
        assert kinds.count("repeat") >= 1


def test_a_repeat_is_as_likely_at_each_place_of_its_stretch() -> None:
    flow, rng = Flow(gold_every=5, repeat_every=10), random.Random(6)
    runs = [walk(flow, 20, rng) for _ in range(3000)]
    places = Counter(at for kinds in runs for at, kind in enumerate(kinds) if kind == "repeat" and at >= 10)
    assert sum(places.values()) == len(runs)
    expected = len(runs) / 10
    assert sum((places[at] - expected) ** 2 / expected for at in range(10, 20)) < 33.7  # chi-square, 9 df, p = 1e-4
