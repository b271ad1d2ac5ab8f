"""Trials by simulation: the right ranking, intervals that hold, the cheapest route at equal quality, honest bounds."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from folioscope.pipeline.evaluation.trial.estimates import (
    Strata,
    cheapest_routes,
    mean,
    plan_upgrade,
    share_at_most,
)
from folioscope.pipeline.evaluation.trial.sample import allocate, draw, stratify
from folioscope.pipeline.evaluation.trial.words import agreement, words_of

SEEDS = 100
PAGES = 200
ERRORS = {"one": 0.02, "two": 0.04, "three": 0.07}


def archive(seed: int, pages: int = 3000) -> tuple[list[str], dict[str, np.ndarray]]:
    """Strata of unlike sizes and difficulty, and each reader's true score on every page."""
    generator = np.random.default_rng(seed)
    strata = generator.choice(["layer", "scan", "table", "odd"], pages, p=[0.6, 0.25, 0.12, 0.03])
    harder = np.array([{"layer": 0.3, "scan": 2.0, "table": 1.5, "odd": 6.0}[name] for name in strata])
    scores = {}
    for name, error in ERRORS.items():
        words = generator.integers(50, 400, pages)
        scores[name] = 1 - generator.binomial(words, np.minimum(0.9, error * harder)) / words
    return [str(name) for name in strata], scores


@pytest.fixture(scope="module")
def trials() -> list[tuple[dict[str, float], dict[str, tuple[float, float, float]]]]:
    """Of each seed the true means, and what a sample tells of them."""
    found = []
    for seed in range(SEEDS):
        names, scores = archive(seed)
        places = draw(names, PAGES, seed)
        strata = Strata.of([names[place] for place in places], Counter(names))
        told = {}
        for name, values in scores.items():
            interval = mean(values[places], strata, 0.0, 1.0)
            told[name] = (interval.value, interval.low, interval.high)
        found.append(({name: float(values.mean()) for name, values in scores.items()}, told))
    return found


def test_the_ranking_is_right_in_95_of_100(trials: list) -> None:
    right = sum(sorted(truth, key=truth.get) == sorted(told, key=lambda name: told[name][0]) for truth, told in trials)
    assert right >= 95


def test_intervals_hold_the_truth_in_93_of_100(trials: list) -> None:
    for name in ERRORS:
        held = sum(told[name][1] <= truth[name] <= told[name][2] for truth, told in trials)
        assert held >= 93, name
        assert np.median([told[name][2] - told[name][1] for _, told in trials]) < 0.02, "and tell something"


def test_a_bound_on_what_is_left_holds_in_93_of_100() -> None:
    held = spared = 0
    for seed in range(SEEDS):
        generator = np.random.default_rng(seed)
        names = [str(name) for name in generator.choice(["a", "b", "c", "d", "e"], 4000, p=[0.4, 0.3, 0.15, 0.1, 0.05])]
        share = {name: generator.choice([0.0, 0.01, 0.04, 0.3, 0.8]) for name in "abcde"}
        changes = np.array([generator.random() < share[name] for name in names])
        seen: dict[str, list[bool]] = {}
        for place in draw(names, 300, seed):
            seen.setdefault(names[place], []).append(bool(changes[place]))
        plan = plan_upgrade(seen, Counter(names), 0.05)
        left = np.array([name not in plan.strata for name in names])
        truth = changes[left].mean() if left.any() else 0.0
        held += truth <= plan.rest_changes <= 0.05 or not left.any()
        spared += plan.rest
        assert plan.pages + plan.rest == len(names)
    assert held >= 93
    assert spared > 0.2 * SEEDS * 4000, "something is spared"


def test_the_cheapest_reader_that_is_as_good_reads_each_kind_of_page() -> None:
    generator = np.random.default_rng(1)
    verdicts = ["text_layer"] * 100 + ["no_layer"] * 100
    strata = Strata.of(verdicts, {"text_layer": 5000, "no_layer": 1000})
    noise = generator.normal(0, 0.002, 200)
    quality = {
        "layer": np.r_[np.full(100, 0.99), np.full(100, 0.1)] + noise,
        "small": np.r_[np.full(100, 0.99), np.full(100, 0.90)],
        "large": np.r_[np.full(100, 0.985), np.full(100, 0.97)] - noise,
    }
    cost = {"layer": 0.01, "small": 0.3, "large": 3.0}
    routes = cheapest_routes(quality, cost, verdicts, strata, {"text_layer": 5000, "no_layer": 1000}, 0.01)
    assert [(route.verdict, route.replica, route.pages) for route in routes] == [
        ("no_layer", "large", 1000),
        ("text_layer", "layer", 5000),
    ]


def test_a_share_is_bounded_as_the_tables_have_it() -> None:
    assert share_at_most(0, 59) == pytest.approx(0.0495, abs=1e-3)  # the rule of three
    assert share_at_most(5, 5) == 1.0


@given(
    sizes=st.dictionaries(st.text("ab", min_size=1, max_size=3), st.integers(1, 60), min_size=1, max_size=8),
    size=st.integers(1, 120),
)
def test_each_stratum_gives_some_pages_and_none_more_than_it_has(sizes: dict[str, int], size: int) -> None:
    given_ = allocate(sizes, size)
    assert all(min(2, count) <= given_[name] <= count for name, count in sizes.items())
    least = sum(min(2, count) for count in sizes.values())
    assert sum(given_.values()) == max(least, min(size, sum(sizes.values())))


def test_strata_are_as_fine_as_the_sample_can_hold() -> None:
    keys = [("text_layer", "pdf", "en", f"/{number % 50}") for number in range(1000)]
    keys += [("no_layer", "pdf", "de", "/x")] * 300
    assert set(stratify(keys, 24)) == {"text_layer · pdf · en", "no_layer · pdf · de"}
    assert len(set(stratify(keys, 2000))) == 51
    rare = [*keys, ("doubtful", "image", "ja", "/y")]
    assert "doubtful · others" in stratify(rare, 30)


@given(st.lists(st.sampled_from(["river", "Weir", "1,874", "鮭", "co-op"]), max_size=12), st.randoms())
def test_words_agree_in_any_order_and_dress(words: list[str], random: object) -> None:
    dressed = [f"**{word.upper()}**" for word in words]
    random.shuffle(dressed)  # type: ignore[attr-defined]
    assert agreement(" ".join(words), "# " + " <td>".join(dressed)) == 1.0


def test_words_left_out_and_made_up_both_count() -> None:
    assert agreement("one two three four", "one two") == pytest.approx(2 / 3)
    assert agreement("one two", "one two three four") == pytest.approx(2 / 3)
    assert words_of("魚を数える")["魚"] == 1
    assert agreement("", "words") == 0.0
    assert agreement("", "") == 1.0
