"""Kimi-VL-A3B at its full size on one GPU, random weights: encoder, prefill, decoding, reading, a long document.

    python benchmarks/gpu.py [--quick] [--profile FILE]

Seven minutes on an H100 or H200, and 80 GB of device memory; nothing is fetched. Random weights cost what the published
ones do, since routing spreads tokens over experts in both, but what they write means nothing: lengths are given.
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import capacity
from folioscope.model.engine.interface import Picture, Request, Sampling, run_all
from folioscope.model.engine.torch_engine import EngineSettings, TorchEngine
from folioscope.model.kimi_vl import KimiVLConfig, KimiVLForConditionalGeneration
from folioscope.model.kimi_vl.image_processing import plan_patches
from folioscope.model.kimi_vl.tiny_checkpoint import random_model
from folioscope.pipeline.versions import versions

ORDINARY_IDS = 150_000
CACHE_SHARE = 0.85  # of the memory that is free beside the model
NEW_TOKENS = (350, 1050)
CARD_BYTES = 79.1e9  # what a program gets of an H100's 80 GB
METHOD = """\
Method: Kimi-VL-A3B's configuration, random weights in bfloat16. ceilings: a copy of 2 GiB, and a product of two
8192x8192 matrices. vision: packs of A4 pages of {patches:,} patches through encoder and projector. prefill: prompts of
{prompt:,} tokens, {step:,} a step. decode: as many sequences as named, each with {prompt:,} tokens of context, steps
that only write; launched: the same without CUDA graphs. bandwidth_share: bytes of the decoder's weights and of the
caches, once a step, over the time of a step, as a share of the copy's rate. read: pages of {patches:,} patches and
{text} tokens of prompt, {fewest} to {most} written, three times as many pages as sequences at once, from the first
request to the last completion. generate: transformers' own loop over our model, as many pages in one static batch.
long: one document of {long:,} tokens in page images as a shared prefix, then 8 questions about it. crowded: that
document, its questions and 260 pages at once, memory capped at {card:.1f} GB. Every time is waited for.
"""


def synchronized(work: Callable[[], object]) -> float:
    """Seconds that the work takes on the device."""
    torch.cuda.synchronize()
    begun = time.perf_counter()
    work()
    torch.cuda.synchronize()
    return time.perf_counter() - begun


def best_of(work: Callable[[], object], rounds: int = 5) -> float:
    work()
    return min(synchronized(work) for _ in range(rounds))


def ceilings() -> dict[str, float]:
    source = torch.empty(2 << 30, dtype=torch.uint8, device="cuda").random_()
    target = torch.empty_like(source)
    copied = 2 * source.nbytes / best_of(lambda: target.copy_(source))
    left, right = (torch.randn(8192, 8192, device="cuda", dtype=torch.bfloat16) for _ in range(2))
    flops = 2 * 8192**3 / best_of(lambda: left @ right, 20)
    return {"copy_tb_s": copied / 1e12, "matmul_tflop_s": flops / 1e12}


class Bench:
    def __init__(self, quick: bool) -> None:
        self.config = KimiVLConfig()
        self.model: KimiVLForConditionalGeneration = random_model(self.config, device="cuda", dtype=torch.bfloat16)
        self.load = capacity.page_load(4096)
        width, height = (round(side * capacity.GIVEN.dpi) for side in capacity.GIVEN.page_inches)
        plan = plan_patches(width, height, 4096)
        self.grid = plan.rows, plan.columns
        self.rng = np.random.default_rng(0)
        self.quick = quick
        self.figures: dict[str, Any] = {}
        self.patches = self.rng.standard_normal((self.load.patches, 3, 14, 14), dtype=np.float32)

    def note(self, **figures: Any) -> None:
        rounded = {name: round(v, 4) if isinstance(v, float) else v for name, v in figures.items()}
        self.figures |= rounded
        print(json.dumps(rounded), flush=True)

    def vision(self) -> None:
        pixels = torch.from_numpy(np.concatenate([self.patches] * 4)).to("cuda", torch.bfloat16)
        with torch.inference_mode():
            seconds = best_of(lambda: self.model.get_image_features(pixels, [self.grid] * 4)) / 4
        rate = self.load.vision_flops / seconds / 1e12
        self.note(vision_ms_a_page=seconds * 1e3, vision_tflop_s=rate)

    def prefill(self) -> None:
        count = 7 * (4 if self.quick else 16)
        with self.engine(128) as engine:
            asked = [self.text(f"{n}", self.load.image_tokens + capacity.PROMPT_TOKENS, 1) for n in range(count)]
            list(run_all(engine, asked[:14]))
            before = engine.counters.prompt_tokens_computed
            seconds = synchronized(lambda: list(run_all(engine, asked)))
            tokens = engine.counters.prompt_tokens_computed - before
        flops = self.load.prefill_flops * count / seconds / 1e12
        self.note(prefill_tokens_s=tokens / seconds, prefill_tflop_s=flops)

    def decode(self, sequences: int, *, graphs: bool = True, steps: int = 40) -> None:
        context = self.load.image_tokens + capacity.PROMPT_TOKENS
        with self.engine(sequences, graphs=graphs) as engine:
            for n in range(sequences):
                engine.submit(self.text(f"{n}", context, steps + 200))
            while engine.counters.prompt_tokens_computed < sequences * context:
                engine.step()
            for _ in range(3):  # the graph is recorded
                engine.step()
            before = engine.counters.output_tokens
            seconds = synchronized(lambda: [engine.step() for _ in range(steps)])
            tokens = engine.counters.output_tokens - before
            engine.clear()
        moved = capacity.language_bytes() + sequences * (context + 100) * capacity.cache_bytes_per_token()
        name = f"decode_{sequences}" + ("" if graphs else "_launched")
        self.note(
            **{
                f"{name}_ms_a_step": seconds / steps * 1e3,
                f"{name}_tokens_s": tokens / seconds,
                f"{name}_bandwidth_share": moved * steps / seconds / (self.figures["copy_tb_s"] * 1e12),
            }
        )

    def read(self, sequences: int) -> None:
        with self.engine(sequences) as engine:
            asked = [self.page(f"{n}", int(self.rng.integers(*NEW_TOKENS))) for n in range(3 * sequences)]
            torch.cuda.reset_peak_memory_stats()
            seconds = synchronized(lambda: list(run_all(engine, asked)))
            written = engine.counters.output_tokens
        self.note(
            **{
                f"read_{sequences}_pages_s": len(asked) / seconds,
                f"read_{sequences}_tokens_s": written / seconds,
                f"read_{sequences}_step_ms": seconds / engine.counters.steps * 1e3,
            }
        )

    def generate(self, pages: int) -> None:
        """The peer: as many pages, in one static batch that ends with the longest."""
        news = [int(self.rng.integers(*NEW_TOKENS)) for _ in range(pages)]
        one = self.page("", 1)
        inputs = {
            "input_ids": torch.tensor([one.ids] * pages, device="cuda"),
            "pixel_values": torch.from_numpy(np.concatenate([self.patches] * pages)),
            "image_grid_hws": torch.tensor([self.grid] * pages),
        }
        new = 64 if self.quick else max(news)
        seconds = synchronized(
            lambda: self.model.generate(
                **inputs, max_new_tokens=new, min_new_tokens=new, do_sample=False, pad_token_id=0
            )
        )
        self.note(**{f"generate_{pages}_pages_s": pages / seconds, f"generate_{pages}_new_tokens": new})

    def long(self) -> None:
        """A document as long as the context, as a shared prefix; then questions about it."""
        asked, pages, tokens = self.document(20_000 if self.quick else self.config.text_config.max_position_embeddings)
        with self.engine(16) as engine:
            torch.cuda.reset_peak_memory_stats()
            first = synchronized(lambda: list(run_all(engine, asked[:1])))
            rest = synchronized(lambda: list(run_all(engine, asked[1:])))
            encoded = engine.counters.images_encoded
        self.note(
            long_tokens=tokens,
            long_pages=pages,
            long_first_answer_s=first,
            long_seven_more_answers_s=rest,
            long_images_encoded=encoded,
        )

    def crowded(self) -> None:
        """The same beside as many pages as the engine takes, with the settings of a job, on a card of 80 GB."""
        asked, _, _ = self.document(self.config.text_config.max_position_embeddings)
        asked += [self.page(f"page-{n}", int(self.rng.integers(*NEW_TOKENS)) // 2) for n in range(260)]
        gc.collect()
        torch.cuda.empty_cache()
        card = torch.cuda.get_device_properties(0).total_memory
        usable = min(CARD_BYTES, torch.cuda.mem_get_info()[0] + torch.cuda.memory_reserved())
        torch.cuda.set_per_process_memory_fraction(usable / card)
        room = (usable - torch.cuda.memory_allocated()) * CACHE_SHARE // capacity.cache_bytes_per_token()
        engine = TorchEngine(self.model, EngineSettings.for_cuda(int(room)))
        torch.cuda.reset_peak_memory_stats()
        seconds = synchronized(lambda: list(run_all(engine, asked)))
        self.note(
            crowded_s=seconds,
            crowded_peak_gb=torch.cuda.max_memory_allocated() / 1e9,
            crowded_usable_gb=usable / 1e9,
            crowded_images_encoded=engine.counters.images_encoded,
        )

    def document(self, most_tokens: int) -> tuple[list[Request], int, int]:
        """(questions about one document in page images, its pages, its tokens)."""
        questions, new = 8, 128
        pages = (most_tokens - 300) // (self.load.image_tokens + 2)
        pictures = (Picture(self.patches, *self.grid),) * pages
        media = self.config.media_placeholder_token_id
        head = [i for picture in pictures for i in (5, *[media] * picture.tokens, 6)]
        asked = [
            Request(
                f"{n}",
                (*head, *self.words(40 + n)),
                Sampling(new),
                frozenset(),
                pictures,
                prefix_key="document",
                prefix_tokens=len(head),
                stop_on_loop=False,
            )
            for n in range(questions)
        ]
        return asked, pages, len(head)

    def words(self, count: int) -> list[int]:
        return [int(i) for i in self.rng.integers(0, ORDINARY_IDS, count)]

    def text(self, key: str, tokens: int, new: int) -> Request:
        return Request(key, tuple(self.words(tokens)), Sampling(new), frozenset(), stop_on_loop=False)

    def page(self, key: str, new: int) -> Request:
        picture = Picture(self.patches, *self.grid)
        head = [self.config.media_placeholder_token_id] * picture.tokens
        ids = (*head, *self.words(capacity.PROMPT_TOKENS))
        return Request(key, ids, Sampling(new), frozenset(), (picture,), stop_on_loop=False)

    @contextmanager
    def engine(self, sequences: int, *, graphs: bool = True) -> Iterator[TorchEngine]:
        """With a cache of half of what is free, given back at the end."""
        gc.collect()  # the engine before
        torch.cuda.empty_cache()
        room = torch.cuda.mem_get_info()[0] // 2 // capacity.cache_bytes_per_token()
        settings = replace(EngineSettings.for_cuda(int(room)), most_sequences=sequences, cuda_graphs=graphs)
        yield TorchEngine(self.model, settings)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="no reading of pages, a short document")
    parser.add_argument("--profile", type=Path, metavar="FILE", help="write kernels by their time to FILE")
    arguments = parser.parse_args()
    begun = time.perf_counter()
    bench = Bench(arguments.quick)
    print(
        METHOD.format(
            patches=bench.load.patches,
            prompt=bench.load.image_tokens + capacity.PROMPT_TOKENS,
            step=EngineSettings.for_cuda(1).tokens_per_step,
            text=capacity.PROMPT_TOKENS,
            fewest=NEW_TOKENS[0],
            most=NEW_TOKENS[1],
            long=bench.config.text_config.max_position_embeddings,
            card=CARD_BYTES / 1e9,
        )
    )
    bench.note(
        gpu=torch.cuda.get_device_name(),
        weights_gb=torch.cuda.memory_allocated() / 1e9,
        model_s=time.perf_counter() - begun,
        **ceilings(),
    )
    bench.vision()
    bench.prefill()
    for sequences in (1, 16, 64, 128, 256):
        bench.decode(sequences)
    bench.decode(64, graphs=False, steps=10)
    if arguments.profile:
        profile(bench, arguments.profile)
    if not arguments.quick:
        for sequences in (64, 128, 256):
            bench.read(sequences)
    bench.generate(64)
    bench.long()
    if not arguments.quick:
        bench.crowded()
        bench.note(ratio_vs_generate=bench.figures["read_64_pages_s"] / bench.figures["generate_64_pages_s"])
    print(json.dumps({**bench.figures, "seconds": round(time.perf_counter() - begun), "versions": dict(versions())}))


def profile(bench: Bench, out: Path) -> None:
    """Kernels of vision, of a step of prefill, and of steps that write, by time."""
    from torch.profiler import ProfilerActivity
    from torch.profiler import profile as record

    def told(name: str, work: Callable[[], object]) -> None:
        work()
        with record(activities=[ProfilerActivity.CUDA, ProfilerActivity.CPU]) as found:
            work()
            torch.cuda.synchronize()
        table = found.key_averages().table(sort_by="cuda_time_total", row_limit=30, max_name_column_width=70)
        with out.open("a", encoding="utf-8") as file:
            file.write(f"{name}\n{table}\n")

    pixels = torch.from_numpy(np.concatenate([bench.patches] * 4)).to("cuda", torch.bfloat16)
    with torch.inference_mode():
        told("vision, 4 pages", lambda: bench.model.get_image_features(pixels, [bench.grid] * 4))
    with bench.engine(64) as engine:
        asked = [bench.text(f"{n}", 1100, 1) for n in range(7)]
        told("prefill, 7 pages", lambda: list(run_all(engine, asked)))
        for n in range(64):
            engine.submit(bench.text(f"w{n}", 1100, 200))
        while engine.counters.output_tokens < 64 * 4:
            engine.step()
        told("decode, 64 sequences, 5 steps", lambda: [engine.step() for _ in range(5)])
        engine.clear()


if __name__ == "__main__":
    main()
