"""Engines side by side on one checkpoint and the same requests: ours, transformers' generate, and vLLM on the CPU.

    python benchmarks/engine.py [--vllm-python VENV/bin/python] [--quick]

Five minutes and 6 GB. VENV is an environment of its own with vLLM for the CPU (0.32 was used); without it that part is
left out. The model has 146M parameters and the published head sizes; random weights, so tokens mean nothing and only
their number and equality are looked at.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.kimi_peers import BASE_ENTRIES, ORDINARY_IDS, SIZES, answer_lines, asked_under_vllm
from folioscope.model.engine.interface import Picture, Request, Sampling, complete_in_order
from folioscope.model.engine.torch_engine import EngineSettings, TorchEngine
from folioscope.model.kimi_vl import KimiVLForConditionalGeneration
from folioscope.model.kimi_vl.checkpoint import load
from folioscope.model.kimi_vl.tiny_checkpoint import write_tiny_checkpoint
from folioscope.pipeline.versions import versions

BATCH = 8
PAGES, QUESTIONS, PAGE_PATCHES = 40, 8, (16, 12)
SEQUENCES = 16
METHOD = """\
Method: float32, {threads} threads a process. {count} requests of text arrive at once; prompts of {shortest} to
{longest} tokens, {fewest} to {most} new ones (a fixed mix, most of them short); greedy, nothing ends early. Counted:
output tokens that were asked for, a second of wall time from the first request to the last completion. generate is
that of transformers, with our model, in static batches of {batch} in the order of arrival, padded on the left. Ours
and vLLM: at most {sequences} at once. Best of {rounds} rounds for each, in turn. cpu_ratio is by seconds of CPU, which
tell more than wall time where a host is busy with other things (with one thread: several wait for each other). prefix:
a document of {pages} pages of {page_tokens} image tokens and {questions} questions, its pages shared, against the same
questions each from scratch.
"""


def make_requests(count: int) -> list[Request]:
    rng = np.random.default_rng(0)
    found = []
    for number in range(count):
        length = int(rng.choice([32, 64, 128, 256, 512], p=[0.3, 0.25, 0.2, 0.15, 0.1]))
        new = int(rng.choice([16, 32, 64, 128, 256], p=[0.3, 0.3, 0.2, 0.12, 0.08]))
        ids = tuple(rng.integers(0, ORDINARY_IDS, length).tolist())
        found.append(Request(f"{number}", ids, Sampling(new), frozenset(), stop_on_loop=False))
    return found


@dataclass(frozen=True, slots=True)
class Spent:
    """Seconds of wall time and of all the process's threads; ``best`` takes the smaller of each."""

    wall: float = float("inf")
    cpu: float = float("inf")

    def best(self, other: Spent) -> Spent:
        return Spent(min(self.wall, other.wall), min(self.cpu, other.cpu))


class Stopwatch:
    def __init__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def spent(self) -> Spent:
        return Spent(time.perf_counter() - self._wall, time.process_time() - self._cpu)


def by_our_engine(engine: TorchEngine, requests: list[Request]) -> tuple[Spent, list[list[int]]]:
    watch = Stopwatch()
    completions = complete_in_order(engine, requests)
    return watch.spent(), [list(completion.ids) for completion in completions]


def by_generate(model: KimiVLForConditionalGeneration, requests: list[Request]) -> tuple[Spent, list[list[int]]]:
    watch = Stopwatch()
    written = []
    for start in range(0, len(requests), BATCH):
        batch = requests[start : start + BATCH]
        width = max(len(request.ids) for request in batch)
        ids = torch.zeros(len(batch), width, dtype=torch.long)
        mask = torch.zeros_like(ids)
        for row, request in enumerate(batch):
            ids[row, width - len(request.ids) :] = torch.tensor(request.ids)
            mask[row, width - len(request.ids) :] = 1
        new = max(request.sampling.max_new_tokens for request in batch)
        out = model.generate(ids, attention_mask=mask, max_new_tokens=new, min_new_tokens=new, do_sample=False)
        written += [
            row[width : width + request.sampling.max_new_tokens].tolist()
            for row, request in zip(out, batch, strict=True)
        ]
    return watch.spent(), written


def measure_prefix(model: KimiVLForConditionalGeneration) -> dict[str, Any]:
    """One document of 40 small pages and 8 questions: asked with a shared prefix, and each from scratch."""
    rng = np.random.default_rng(1)
    media = model.config.media_placeholder_token_id
    pages = tuple(
        Picture(rng.standard_normal((PAGE_PATCHES[0] * PAGE_PATCHES[1], 3, 14, 14), dtype=np.float32), *PAGE_PATCHES)
        for _ in range(PAGES)
    )
    head = [i for page in pages for i in (1, *[media] * page.tokens, 2)]
    seconds, engines = {}, {}
    for name, key in (("shared", "document"), ("apart", None)):
        questions = [tuple(rng.integers(0, ORDINARY_IDS, 24).tolist()) for _ in range(QUESTIONS)]
        requests = [
            Request(f"{n}", (*head, *asked), Sampling(32), frozenset(), pages, key, len(head) if key else 0)
            for n, asked in enumerate(questions)
        ]
        engines[name] = TorchEngine(model, EngineSettings(cache_tokens=QUESTIONS * 4096, most_sequences=QUESTIONS))
        begun = time.perf_counter()
        complete_in_order(engines[name], requests)
        seconds[name] = time.perf_counter() - begun
    shared = engines["shared"].counters
    return {
        "prefix_speedup": round(seconds["apart"] / seconds["shared"], 2),
        "prefix_pages": PAGES,
        "prefix_questions": QUESTIONS,
        "prefix_images_encoded": shared.images_encoded,
        "prefix_tokens_computed": shared.prompt_tokens_computed,
        "prefix_tokens_shared": shared.prompt_tokens_shared,
    }


def ask_vllm(checkpoint: Path, count: int) -> None:
    """Runs under vLLM's own interpreter: a round for each line on its standard input."""
    from folioscope.model.engine.vllm_engine import VllmEngine

    engine = VllmEngine(str(checkpoint), context_tokens=4096, most_sequences=SEQUENCES)
    complete_in_order(engine, make_requests(4))  # so that nothing is compiled or allocated on the clock

    def one_round() -> dict[str, Any]:
        requests = make_requests(count)
        watch = Stopwatch()
        completions = complete_in_order(engine, requests)
        return {"spent": asdict(watch.spent()), "tokens": [list(completion.ids) for completion in completions]}

    answer_lines(one_round)


def by_vllm(ask: Callable[[], dict[str, Any]]) -> tuple[Spent, list[list[int]]]:
    found = ask()
    return Spent(**found["spent"]), found["tokens"]


def equal_share(one: list[list[int]], other: list[list[int]]) -> float:
    return sum(a == b for a, b in zip(one, other, strict=True)) / len(one)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vllm-python")
    parser.add_argument("--quick", action="store_true", help="one round, a third of the requests")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--ask", nargs=2, metavar=("CHECKPOINT", "COUNT"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.ask:
        checkpoint, count = arguments.ask
        ask_vllm(Path(checkpoint), int(count))
        return
    torch.set_num_threads(arguments.threads)
    rounds, count = (1, 16) if arguments.quick else (3, 48)
    requests = make_requests(count)
    lengths, news = [len(r.ids) for r in requests], [r.sampling.max_new_tokens for r in requests]
    print(
        METHOD.format(
            threads=arguments.threads,
            count=count,
            shortest=min(lengths),
            longest=max(lengths),
            fewest=min(news),
            most=max(news),
            batch=BATCH,
            sequences=SEQUENCES,
            rounds=rounds,
            pages=PAGES,
            page_tokens=PAGE_PATCHES[0] * PAGE_PATCHES[1] // 4,
            questions=QUESTIONS,
        )
    )
    with ExitStack() as stack:
        checkpoint = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "model"
        write_tiny_checkpoint(checkpoint, SIZES, base_entries=BASE_ENTRIES)
        model = load(KimiVLForConditionalGeneration, checkpoint)
        engine = TorchEngine(model, EngineSettings(cache_tokens=SEQUENCES * 1024, most_sequences=SEQUENCES))
        complete_in_order(engine, make_requests(4))  # so that nothing is allocated on the clock
        peers: dict[str, Callable[[], tuple[Spent, list[list[int]]]]] = {
            "ours": lambda: by_our_engine(engine, make_requests(count)),
            "generate": lambda: by_generate(model, requests),
        }
        if arguments.vllm_python:
            asked = [str(checkpoint), str(count)]
            ask = stack.enter_context(asked_under_vllm(arguments.vllm_python, __file__, asked, arguments.threads))
            peers["vllm"] = lambda: by_vllm(ask)
        best = dict.fromkeys(peers, Spent())
        written: dict[str, list[list[int]]] = {}
        for _ in range(rounds):  # in turn, since a shared machine is faster at one time than at another
            for peer, work in peers.items():
                spent, written[peer] = work()
                best[peer] = best[peer].best(spent)
        prefix = measure_prefix(model)
    ours, theirs, vllm = best["ours"], best["generate"], best.get("vllm")
    tokens = sum(news)
    figures: dict[str, Any] = {
        "ratio_vs_generate": round(theirs.wall / ours.wall, 2),
        "ratio_vs_vllm_cpu": round(vllm.wall / ours.wall, 2) if vllm else None,
        "cpu_ratio_vs_generate": round(theirs.cpu / ours.cpu, 2),
        "cpu_ratio_vs_vllm_cpu": round(vllm.cpu / ours.cpu, 2) if vllm else None,
        "tokens_per_s": round(tokens / ours.wall, 1),
        "tokens_per_s_generate": round(tokens / theirs.wall, 1),
        "tokens_per_s_vllm_cpu": round(tokens / vllm.wall, 1) if vllm else None,
        "tokens_per_cpu_s": round(tokens / ours.cpu, 1),
        "same_tokens_as_generate": equal_share(written["ours"], written["generate"]),
        "same_tokens_as_vllm_cpu": equal_share(written["ours"], written["vllm"]) if vllm else None,
        **prefix,
        "requests": count,
        "output_tokens": tokens,
        "threads": arguments.threads,
        "sizes": asdict(SIZES),
        "versions": dict(versions()),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
