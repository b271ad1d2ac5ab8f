"""The scripted engine: it writes its script, in the time it is told, and counts as the torch engine does."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from folioscope.model.engine.fake_engine import FakeEngine, FakeLimits, Timing
from folioscope.model.engine.interface import Picture, Request, RequestError, Sampling, complete_in_order, run_all
from folioscope.model.engine.torch_engine import EngineSettings, TorchEngine
from folioscope.model.kimi_vl.configuration import KimiVLConfig
from folioscope.model.kimi_vl.tiny_checkpoint import TinySizes, random_model, tiny_config
from folioscope.model.kimi_vl.tiny_tokenizer import tiny_vocabulary


def request(key: str, prompt: int, new: int, **more: object) -> Request:
    return Request(key, tuple(range(prompt)), Sampling(new), frozenset({999}), **more)  # type: ignore[arg-type]


def counting(asked: Request) -> Sequence[int]:
    """As many tokens as its key says."""
    return range(int(asked.key.split(":")[0]))


@settings(max_examples=50)
@given(
    wanted=st.lists(st.tuples(st.integers(0, 40), st.integers(1, 90), st.integers(1, 50)), min_size=1, max_size=12),
    sequences=st.integers(1, 5),
    budget=st.integers(1, 64),
    cache=st.integers(140, 400),
)
def test_it_writes_the_script_in_any_mix(
    wanted: list[tuple[int, int, int]], sequences: int, budget: int, cache: int
) -> None:
    engine = FakeEngine(counting, limits=FakeLimits(cache, sequences, budget))
    asked = [request(f"{length}:{n}", prompt, new) for n, (length, prompt, new) in enumerate(wanted)]
    for (length, _, new), completion in zip(wanted, complete_in_order(engine, asked), strict=True):
        assert completion.ids == tuple(range(min(length, new)))
        assert completion.finish_reason == ("length" if length >= new else "stop")
    assert engine.counters.most_sequences <= sequences
    assert engine.counters.prompt_tokens_computed == sum(prompt for _, prompt, _ in wanted)


def test_a_step_takes_what_the_timing_says() -> None:
    passed: list[float] = []
    timing = Timing(step=1.0, prompt_token=0.1, patch=0.01, sequence=0.5, context_token=0.001)
    picture = Picture(np.zeros((0, 3, 14, 14), np.float32), 4, 6)
    engine = FakeEngine(counting, timing, pause=passed.append)
    list(run_all(engine, [request("3:a", 10, 2, pictures=(picture,))]))
    assert passed == pytest.approx([1.0 + 1.0 + 24 * 0.01, 1.0 + 0.5 + 11 * 0.001])
    assert engine.counters.busy_seconds == pytest.approx(sum(passed))
    twice: list[float] = []
    list(run_all(FakeEngine(counting, timing.stretched(2), pause=twice.append), [request("3:a", 10, 2)]))
    assert twice == pytest.approx([4.0, 3.022])


def test_a_loop_is_cut_and_what_can_never_fit_is_refused() -> None:
    engine = FakeEngine(lambda asked: [5, 6, 7] * 500, limits=FakeLimits(cache_tokens=3000))
    [completion] = run_all(engine, [request("a", 4, 1200)])
    assert (completion.finish_reason, completion.ids) == ("loop", (5, 6, 7))
    assert completion.saved_tokens == engine.counters.tokens_saved == 1200 - engine.counters.output_tokens
    with pytest.raises(RequestError, match="pass the 3000"):
        engine.submit(request("b", 4, 3000))
    with pytest.raises(RequestError, match="a prompt and room"):
        engine.submit(request("c", 0, 3))


def test_a_cleared_engine_serves_on() -> None:
    engine = FakeEngine(counting, limits=FakeLimits(tokens_per_step=8))
    for n in range(4):
        engine.submit(request(f"9:{n}", 20, 20, prefix_key="document", prefix_tokens=12))
    engine.step()
    engine.clear()
    assert engine.unfinished == 0
    [completion] = run_all(engine, [request("2:x", 20, 20, prefix_key="document", prefix_tokens=12)])
    assert (completion.ids, completion.computed_tokens) == ((0, 1), 20)


def test_it_counts_as_the_torch_engine_does() -> None:
    vocabulary = tiny_vocabulary(512)
    model = random_model(KimiVLConfig(**tiny_config(TinySizes(), vocabulary)), seed=3)
    media = vocabulary.media_placeholder_token_id
    picture = Picture(np.random.default_rng(0).standard_normal((16, 3, 14, 14), dtype=np.float32), 4, 4)
    head = (1, *[media] * picture.tokens, *range(100))
    asked = [
        Request(f"{n}", (*head, *range(n + 1)), Sampling(6 + n), frozenset(), (picture,), "document", len(head))
        for n in range(4)
    ]
    ours = TorchEngine(model, EngineSettings(cache_tokens=2048, most_sequences=3, tokens_per_step=64))
    written = {completion.key: completion for completion in run_all(ours, asked)}
    fake = FakeEngine(lambda one: written[one.key].ids, limits=FakeLimits(2048, 3, 64))
    again = complete_in_order(fake, asked)
    assert [c.ids for c in again] == [written[one.key].ids for one in asked]
    assert [c.computed_tokens for c in again] == [written[one.key].computed_tokens for one in asked]
    for name in ("requests", "images_encoded", "prompt_tokens_computed", "prompt_tokens_shared", "output_tokens"):
        assert getattr(fake.counters, name) == getattr(ours.counters, name), name
