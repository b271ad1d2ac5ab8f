"""Our engine: the same tokens as ``generate``, alone or in any mix; prefixes computed once; memory never passed."""

from __future__ import annotations

import gc
import math
import weakref
from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from folioscope.model.engine.interface import (
    Completion,
    Picture,
    Request,
    RequestError,
    Sampling,
    complete_in_order,
    run_all,
)
from folioscope.model.engine.loops import CHECK_EVERY, WORDS
from folioscope.model.engine.sampling import choose, generator_for
from folioscope.model.engine.torch_engine import EngineSettings, TorchEngine
from folioscope.model.kimi_vl import packed
from folioscope.model.kimi_vl.configuration import KimiVLConfig
from folioscope.model.kimi_vl.modeling import KimiVLForConditionalGeneration
from folioscope.model.kimi_vl.tiny_checkpoint import TinySizes, random_model, tiny_config
from folioscope.model.kimi_vl.tiny_tokenizer import tiny_vocabulary

VOCABULARY = tiny_vocabulary(512)
STOPS = frozenset({VOCABULARY.eos_token_id, VOCABULARY.im_end_id})
MEDIA = VOCABULARY.media_placeholder_token_id


@lru_cache(maxsize=1)
def model() -> KimiVLForConditionalGeneration:
    return random_model(KimiVLConfig(**tiny_config(TinySizes(), VOCABULARY)), seed=3)


def picture(rows: int, columns: int, seed: int) -> Picture:
    patches = np.random.default_rng(seed).standard_normal((rows * columns, 3, 14, 14), dtype=np.float32)
    return Picture(patches, rows, columns)


def request(key: str, words: int, seed: int, pictures: tuple[Picture, ...] = (), new: int = 12) -> Request:
    text = np.random.default_rng(seed).integers(0, 500, words).tolist()
    ids = [1, *(i for shown in pictures for i in (530, *[MEDIA] * shown.tokens, 532)), *text]
    return Request(key, tuple(ids), Sampling(new), STOPS, pictures)


def generated(asked: Request) -> list[int]:
    """The same by transformers' generate."""
    images = {}
    if asked.pictures:
        images["pixel_values"] = torch.cat([torch.from_numpy(p.patches) for p in asked.pictures])
        images["image_grid_hws"] = torch.tensor([[p.rows, p.columns] for p in asked.pictures])
    out = model().generate(
        torch.tensor([asked.ids]),
        max_new_tokens=asked.sampling.max_new_tokens,
        do_sample=False,
        eos_token_id=sorted(STOPS),
        pad_token_id=VOCABULARY.pad_token_id,
        **images,
    )
    written: list[int] = out[0, len(asked.ids) :].tolist()
    return [i for i in written if i not in STOPS]


def engine(**limits: int) -> TorchEngine:
    return TorchEngine(model(), EngineSettings(**{"cache_tokens": 4096, **limits}))


requests_of = st.lists(st.tuples(st.integers(1, 150), st.integers(0, 2), st.integers(1, 20)), min_size=1, max_size=6)


@settings(max_examples=20)
@given(
    wanted=requests_of,
    sequences=st.integers(1, 6),
    tokens=st.sampled_from([64, 100, 512]),
    patches=st.sampled_from([10, 200]),
)
def test_a_request_gets_in_any_mix_what_generate_gives_it(
    wanted: list[tuple[int, int, int]], sequences: int, tokens: int, patches: int
) -> None:
    asked = [
        request(f"{n}", words, n, tuple(picture(4, 2 + 2 * i, n + i) for i in range(images)), new)
        for n, (words, images, new) in enumerate(wanted)
    ]
    ours = engine(most_sequences=sequences, tokens_per_step=tokens, patches_per_step=patches)
    for completion, original in zip(complete_in_order(ours, asked), asked, strict=True):
        assert list(completion.ids) == generated(original)
        assert completion.finish_reason == (
            "length" if len(completion.ids) == original.sampling.max_new_tokens else "stop"
        )


def test_prompts_of_one_length_that_are_read_side_by_side_stay_apart() -> None:
    asked = [request(f"{n}", words, n) for n, words in enumerate([40, 40, 40, 17, 40, 40, 80])]
    for completion, original in zip(complete_in_order(engine(), asked), asked, strict=True):
        assert list(completion.ids) == generated(original)


def test_requests_join_together_when_as_many_places_are_free() -> None:
    asked = [replace(request(f"{n}", 5, n, new=2 + n), stop_ids=frozenset()) for n in range(9)]
    joined: dict[int, list[int]] = {}
    for join_at_once in (1, 3, 100):  # more than there are places: all of them
        ours = engine(most_sequences=4, join_at_once=join_at_once)
        for one in asked:
            ours.submit(one)
        joined[join_at_once] = []
        while ours.unfinished:
            before = ours.counters.prompt_tokens_computed
            ours.step()
            joined[join_at_once].append((ours.counters.prompt_tokens_computed - before) // len(asked[0].ids))
    together = {limit: [count for count in counts if count] for limit, counts in joined.items()}
    assert together == {1: [4, 1, 1, 1, 1, 1], 3: [4, 3, 2], 100: [4, 4, 1]}


def test_packed_weights_write_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed, "LEAST_BYTES", 0)
    asked = [request(f"{n}", 20 + 30 * n, n, (picture(4, 2 + 2 * n, n),), 12) for n in range(4)]
    for completion, original in zip(complete_in_order(engine(tokens_per_step=64), asked), asked, strict=True):
        assert list(completion.ids) == generated(original)


def document(pages: int, questions: int, seed: int = 0) -> list[Request]:
    """Questions about one document, its pages in a shared prefix."""
    shown = tuple(picture(4, 4, seed + n) for n in range(pages))
    start = request("", 3, seed, shown).ids
    found = []
    for n in range(questions):
        question = tuple(np.random.default_rng(100 + n).integers(0, 500, 5 + n).tolist())
        found.append(Request(f"q{n}", (*start, *question), Sampling(8), STOPS, shown, "document", len(start)))
    return found


def test_a_document_is_encoded_and_computed_once_for_all_its_questions() -> None:
    asked = document(pages=40, questions=8)
    ours = engine()
    completions = complete_in_order(ours, asked)
    prefix = asked[0].prefix_tokens
    questions = sum(len(one.ids) - prefix for one in asked)
    assert ours.counters.images_encoded == 40
    assert ours.counters.prompt_tokens_computed == prefix + questions
    assert ours.counters.prompt_tokens_shared == 7 * prefix
    assert [c.computed_tokens for c in completions[1:]] == [len(one.ids) - prefix for one in asked[1:]]
    for one, completion in zip(asked, completions, strict=True):
        assert list(completion.ids) == generated(one)


def test_a_prefix_serves_later_requests_until_its_room_is_needed() -> None:
    asked = document(pages=16, questions=3)
    ours = engine(cache_tokens=576)
    complete_in_order(ours, asked[:1])
    complete_in_order(ours, asked[1:2])
    assert ours.counters.images_encoded == 16
    big = request("big", 500, 1, new=10)
    assert list(complete_in_order(ours, [big])[0].ids) == generated(big)
    again = complete_in_order(ours, asked[2:])[0]
    assert ours.counters.images_encoded == 32
    assert list(again.ids) == generated(asked[2])


def test_pixels_are_let_go_once_they_are_seen() -> None:
    ours = engine()
    shown = picture(4, 6, 0)
    held = weakref.ref(shown.patches)
    ours.submit(request("0", 10, 0, (shown,), new=3))
    del shown
    ours.step()
    gc.collect()
    assert held() is None
    while ours.unfinished:
        ours.step()


def test_memory_is_given_back() -> None:
    ours = engine(most_sequences=3)
    asked = [request(f"{n}", 30 + 50 * n, n) for n in range(8)]
    assert len(list(run_all(ours, asked))) == 8
    assert ours.free_pages == 4096 // 64


def test_a_cleared_engine_has_all_its_memory_and_serves_on() -> None:
    ours = engine(most_sequences=4, tokens_per_step=64)
    for asked in [*document(pages=20, questions=3), request("x", 40, 0)]:
        ours.submit(asked)
    ours.step()
    ours.clear()
    assert (ours.unfinished, ours.free_pages) == (0, 4096 // 64)
    after = document(pages=20, questions=2)
    assert [list(c.ids) for c in complete_in_order(ours, after)] == [generated(one) for one in after]


def test_more_than_fits_waits_instead_of_failing() -> None:
    ours = engine(cache_tokens=512, most_sequences=16)
    asked = [request(f"{n}", 150, n) for n in range(6)]
    completions = complete_in_order(ours, asked)
    assert [list(c.ids) for c in completions] == [generated(one) for one in asked]
    assert 1 <= ours.counters.most_sequences <= 2


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (request("a", 600, 0), "do not fit the cache of 512"),
        (request("b", 10, 0, new=200_000), "pass the model's 131072"),
        (replace(request("c", 10, 0), ids=()), "a prompt and room"),
        (replace(request("d", 10, 0), ids=(MEDIA, 1)), "image tokens and its images"),
        (replace(request("e", 10, 0), prefix_key="k", prefix_tokens=11), "a prefix is shorter"),
    ],
)
def test_what_can_never_be_served_is_refused_at_once(asked: Request, message: str) -> None:
    with pytest.raises(RequestError, match=message):
        engine(cache_tokens=512).submit(asked)


def test_one_key_for_two_prefixes_is_refused() -> None:
    ours = engine()
    first, other = request("a", 20, 0), request("b", 20, 1)
    ours.submit(replace(first, prefix_key="k", prefix_tokens=10))
    with pytest.raises(RequestError, match="prefix k was given for other tokens"):
        ours.submit(replace(other, prefix_key="k", prefix_tokens=10))


def sampled(asked: list[Request]) -> list[Completion]:
    return complete_in_order(engine(), asked)


def test_draws_depend_on_the_seed_and_on_nothing_else() -> None:
    hot = [replace(request(f"{n}", 20, n), sampling=Sampling(12, temperature=1.2, top_p=0.9, seed=n)) for n in range(4)]
    together = sampled(hot)
    assert [sampled([one])[0].ids for one in hot] == [c.ids for c in together]
    other_seed = sampled([replace(hot[0], sampling=replace(hot[0].sampling, seed=99))])[0]
    assert other_seed.ids != together[0].ids


def test_a_nucleus_of_nothing_is_greedy() -> None:
    hot = replace(request("a", 20, 0), sampling=Sampling(12, temperature=2.0, top_p=1e-9))
    assert list(sampled([hot])[0].ids) == generated(request("a", 20, 0))


class Looping(torch.nn.Module):
    """A head that writes 5, 6, 7, 5, 6, 7 … for ever, whatever it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.turn = 0

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        logits = torch.zeros(len(hidden), VOCABULARY.vocab_size)
        logits[:, 5 + self.turn % 3] = 9.0
        self.turn += 1
        return logits


def test_a_loop_is_cut_and_what_it_saved_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(model().language_model._modules, "lm_head", Looping())
    ours = engine()
    completion = complete_in_order(ours, [request("a", 10, 0, new=2000)])[0]
    assert completion.finish_reason == "loop"
    assert completion.ids == (5, 6, 7)
    assert completion.saved_tokens == ours.counters.tokens_saved == 2000 - ours.counters.output_tokens
    assert ours.counters.output_tokens <= WORDS.tokens + CHECK_EVERY


def expecting_little(cache_tokens: int, new: int) -> TorchEngine:
    """An engine that has seen requests of this kind end at once."""
    ours = engine(cache_tokens=cache_tokens, most_sequences=8)
    for asked in [request(f"short-{n}", 20, n, new=new) for n in range(8)]:
        ours.submit(replace(asked, stop_ids=frozenset(range(512))))
    while ours.unfinished:
        ours.step()
    return ours


def test_sequences_that_write_more_than_expected_make_room_and_lose_nothing() -> None:
    ours = expecting_little(512, 150)
    long = [request(f"long-{n}", 40, n, new=150) for n in range(5)]
    completions = complete_in_order(ours, long)
    assert [list(c.ids) for c in completions] == [generated(one) for one in long]
    assert ours.counters.preemptions > 0
    assert ours.counters.most_sequences > 2, "room for all that may be written would admit two"
    assert ours.free_pages == 512 // 64


def test_a_document_whose_questions_were_preempted_gives_the_same_answers() -> None:
    ours = expecting_little(640, 150)
    asked = [replace(one, sampling=Sampling(150)) for one in document(pages=6, questions=4)]
    assert [list(c.ids) for c in complete_in_order(ours, asked)] == [generated(one) for one in asked]
    assert ours.counters.preemptions > 0


def test_draws_follow_the_probabilities() -> None:
    logits = torch.log(torch.tensor([[0.5, 0.3, 0.2, 0.0]])).expand(4000, 4)
    samplings = [Sampling(1, temperature=1.0, seed=n) for n in range(4000)]
    ids, logprobs = choose(logits.contiguous(), samplings, [generator_for(one) for one in samplings])
    shares = torch.bincount(ids, minlength=4) / 4000
    assert torch.allclose(shares, torch.tensor([0.5, 0.3, 0.2, 0.0]), atol=0.03)
    assert logprobs[ids == 0].tolist() == pytest.approx([math.log(0.5)] * int((ids == 0).sum()))
    cut = [replace(one, top_p=0.6) for one in samplings]
    ids, _ = choose(logits.contiguous(), cut, [generator_for(one) for one in cut])
    assert set(ids.tolist()) == {0, 1}
