"""How busy replicas are: our read stage on local Ray nodes, before devices that are simulated as H100s.

    python benchmarks/replica_utilisation.py [--replicas 1,8,64] [--generations 6] [--reference auto|layer|none]

No GPU is needed: each replica's engine is the scripted one, and sleeps for as long as docs/capacity.md has an H100
work. All else is real: Ray Data, read actors, PDFs rendered in decode children and read there by the reference reader,
the reader, the comparison of the two, the commit. Eighteen minutes, and 15 GB for 64 replicas; two cores are few for
64, so their time is stretched, and the output says how far.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow as pa
import pymupdf

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import capacity
from benchmarks.documents import draw_pdf
from benchmarks.measure import PROJECT
from benchmarks.simulated_replica import SimulatedActor, SimulatedPage, Simulation
from folioscope.model.engine.fake_engine import FakeEngine, FakeLimits, Timing
from folioscope.model.engine.interface import Request, Sampling
from folioscope.model.kimi_vl import KimiVLImageProcessor
from folioscope.model.kimi_vl.image_processing import plan_patches
from folioscope.model.load import ModelChoice
from folioscope.pipeline.block_stream import run_actors
from folioscope.pipeline.decode.children import ChildLimits, DecodeChildren
from folioscope.pipeline.decode.pages import DecodedPage, DecodeSettings
from folioscope.pipeline.grounding.reference import ReferenceMode
from folioscope.pipeline.phase_planner import PAGES_PER_BLOCK
from folioscope.pipeline.planning.units import UnitToRead, block_budget, into_blocks
from folioscope.pipeline.stage_runner import BLOCKS_AT_ONCE
from folioscope.pipeline.stages.document_prefetch import UnderstandJob
from folioscope.pipeline.stages.file_access import FileAccess
from folioscope.pipeline.stages.prefetch import ReadJob
from folioscope.pipeline.stages.replica import ReplicaJob, read_block
from folioscope.pipeline.storage.download_cache import DownloadCache
from folioscope.pipeline.storage.store import OutputStore
from folioscope.pipeline.tables.rows import Provenance
from folioscope.pipeline.versions import versions

SEQUENCES = 32  # at once in a replica; both engines take more on a GPU, if its memory has room for them
PAGES_PER_UNIT, PAGES_PER_FILE = 8, 200
NODE_CPUS = 16
PROMPT_TOKENS = 60
SPREAD = 0.5  # a page's tokens lie within this share of the mean
STRETCH = {8: 4.0, 10_000: 8.0}  # by the number of replicas up to which it serves
IMAGE_DPI = 36
METHOD = """\
Method: the device of a replica is simulated by docs/capacity.md's arithmetic (H100 SXM as its maker states it,
{compute:.0%} of its FLOP/s in vision and prefill, {bandwidth:.0%} of its bandwidth in decoding): {step:.1f} ms a step
for the weights, {patch:.2f} us a patch, {token:.1f} us a prompt token, {context:.1f} ns a token of context looked back
on. A page is {patches:,} patches, {prompt:,} prompt tokens and {fewest} to {most} written ones; {sequences} pages at
once, greedy, one try. Cutting a full-size picture into patches took this host {prepare:.0f} ms of CPU; that is slept
where it is done. Real: Ray Data on local nodes of {node_cpus} CPUs, one read actor a replica, blocks of {unit}-page
units as a run makes them, drawn PDFs rendered in decode children, their second reading (--reference {reference}),
our reader, the comparison of {words} words a page with that reading, the commit. For memory pages are rendered at
{dpi} dpi, and texts state their language; at {full_dpi} dpi decoding and reading a second time takes this host
{decode:.0f} ms of CPU a page. The simulation's seconds are stretched by {stretch} replicas, so that {cores} cores
are not what is measured.
busy: share of wall time in which a replica's device worked, from its first full set of pages (warm-up) until the first
replica has fewer pages left than it takes at once. speed: tokens written in that time, as a share of what the device
alone would write. whole_run_busy: from each replica's first step to the end of the last one.
"""


@dataclass(frozen=True)
class Device:
    timing: Timing
    page: SimulatedPage
    limits: FakeLimits

    def tokens_per_second(self) -> float:
        """What the device alone writes with pages waiting at all times; its beginning and end left out."""
        engine = FakeEngine(self.page.script, self.timing, self.limits, pause=lambda seconds: None)
        marks: list[tuple[float, int]] = []
        for number in range(12 * self.limits.most_sequences):
            engine.submit(Request(f"read-{number}", self.page.ids, Sampling(4096), frozenset(), (self.page.picture,)))
        while engine.unfinished:
            engine.step()
            marks.append((engine.counters.busy_seconds, engine.counters.output_tokens))
        (begun, before), (ended, after) = marks[len(marks) // 4], marks[len(marks) * 3 // 4]
        return (after - before) / (ended - begun)


def make_device(prepare_seconds: float, text: str) -> Device:
    """An H100 by the assumptions of benchmarks/capacity.py, reading A4 pages of 4,096 patches at most."""
    given, gpu, load = capacity.GIVEN, capacity.GPU, capacity.page_load(4096)
    flops, bandwidth = gpu.flops * given.compute_share, gpu.bandwidth * given.bandwidth_share
    width, height = (round(side * given.dpi) for side in given.page_inches)
    plan = plan_patches(width, height, 4096)
    timing = Timing(
        step=capacity.language_bytes() / bandwidth,
        prompt_token=load.prefill_flops / flops / (load.image_tokens + PROMPT_TOKENS),
        patch=load.vision_flops / flops / load.patches,
        context_token=capacity.cache_bytes_per_token() / bandwidth,
    )
    fewest, most = (round(given.output_tokens * (1 + sign * SPREAD)) for sign in (-1, 1))
    page = SimulatedPage(plan.rows, plan.columns, PROMPT_TOKENS, fewest, most, prepare_seconds, text)
    room = int(capacity.cache_room() // capacity.cache_bytes_per_token())
    return Device(timing, page, FakeLimits(cache_tokens=room, most_sequences=SEQUENCES))


def measure_cpu(folder: Path, reference: ReferenceMode = "none") -> tuple[float, float]:
    """(seconds of CPU for decoding a page at full size, and for cutting its picture into patches) on this host."""
    settings = DecodeSettings(layout="fast", render="always", reference=reference)
    children = DecodeChildren(1, ChildLimits())
    [path, *_] = sorted(folder.glob("*.pdf"))
    try:
        children.decode(path, "pdf", 1, 2, settings)
        child = psutil.Process(children.pids()[0])
        before = sum(child.cpu_times()[:2])
        pages = children.decode(path, "pdf", 3, 22, settings)
        decoding = (sum(child.cpu_times()[:2]) - before) / len(pages)
    finally:
        children.close()
    [page] = [page for page in pages if isinstance(page, DecodedPage)][:1]
    processor = KimiVLImageProcessor()
    processor(page.image)
    begun = time.process_time()
    for _ in range(10):
        processor(page.image)
    return decoding, (time.process_time() - begun) / 10


def draw_archive(folder: Path, pages: int) -> list[UnitToRead]:
    """PDFs, as the units that planning would make of them."""
    rows: list[UnitToRead] = []
    for number in range(-(-pages // PAGES_PER_FILE)):
        path = folder / f"{number:04d}.pdf"
        if not path.exists():
            draw_pdf(path, PAGES_PER_FILE, number)
        status = path.stat()
        etag = f"{status.st_size}-{status.st_mtime_ns}"
        rows += [
            UnitToRead(
                str(path),
                etag,
                status.st_size,
                f"{number:064x}",
                "pdf",
                None,
                "recipe",
                first,
                first + PAGES_PER_UNIT - 1,
            )
            for first in range(1, PAGES_PER_FILE + 1, PAGES_PER_UNIT)
        ]
    return rows


def page_text(folder: Path) -> str:
    """A page's text as a model would write it: every replica reads it on every page."""
    with pymupdf.open(min(folder.glob("*.pdf"))) as document:
        blocks = document[0].get_text("blocks")
    return "\n\n".join(" ".join(block[4].split()) for block in blocks)


@contextmanager
def ray_nodes(cpus: int) -> Iterator[int]:
    """A local cluster of as many nodes as hold so many CPUs; gives their number."""
    import ray
    from ray.cluster_utils import Cluster

    nodes = -(-cpus // NODE_CPUS)
    options = {"num_cpus": NODE_CPUS, "object_store_memory": 128 << 20, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=options)
    try:
        for _ in range(nodes - 1):
            cluster.add_node(num_cpus=NODE_CPUS, object_store_memory=128 << 20)
        ray.init(address=cluster.address, log_to_driver=False, logging_level=logging.ERROR)
        yield nodes
    finally:
        ray.shutdown()
        cluster.shutdown()


def simulate(
    device: Device, replicas: int, stretch: float, pages: int, scratch: Path, reference: ReferenceMode
) -> dict[str, float]:
    rows = draw_archive(scratch, pages)
    with tempfile.TemporaryDirectory(dir=scratch) as name:
        logs = Path(name) / "logs"
        logs.mkdir()
        store, provenance = OutputStore(f"{name}/out"), Provenance("recipe", "run", "simulated@1")
        settings = DecodeSettings(dpi=IMAGE_DPI, layout="fast", render="always", reference=reference)
        files = FileAccess(DownloadCache(f"{name}/download cache"), 1 << 30)
        job = ReplicaJob(
            store,
            ModelChoice("simulated"),
            ReadJob(store, provenance, settings, files, seconds_per_read=3600.0),
            UnderstandJob(provenance, 3600.0),
        )
        simulation = Simulation(job, device.page, device.timing, device.limits, stretch, str(logs))
        budget = block_budget(len(rows) * PAGES_PER_UNIT, replicas, PAGES_PER_BLOCK)
        blocks = [read_block(units, 1) for units in into_blocks(rows, budget, lambda unit: unit.pages)]
        with ray_nodes(replicas):
            cpu = psutil.cpu_times()
            results = run_actors(
                iter(blocks), SimulatedActor, simulation, size=replicas, num_cpus=1.0, calls_at_once=BLOCKS_AT_ONCE
            )
            counts = pa.concat_tables(results)
            idle_cpu = psutil.cpu_times().idle - cpu.idle
        done = sum(counts.column("done").to_pylist())
        if done != len(rows) * PAGES_PER_UNIT:
            raise SystemExit(f"{done} pages were read of {len(rows) * PAGES_PER_UNIT}: the figures mean nothing")
        found = shares([np.loadtxt(path, ndmin=2) for path in logs.glob("*.log")], device, stretch)
    return {**found, "pages": done, "blocks": len(blocks), "idle_core_seconds": round(idle_cpu, 1)}


def shares(logs: list[Any], device: Device, stretch: float) -> dict[str, float]:
    """Of logs with columns time, busy seconds, tokens, requests: the shares over all replicas, after warm-up."""
    first_tokens = device.limits.most_sequences * device.page.most_tokens
    until = min(log[log[:, 3] >= device.limits.most_sequences][-1, 0] for log in logs)
    busy, tokens, wall = 0.0, 0.0, 0.0
    slowest = 1.0
    for log in logs:
        start = int(np.searchsorted(log[:, 2], first_tokens))
        end = int(np.searchsorted(log[:, 0], until, side="right")) - 1
        if end <= start:
            raise SystemExit("a replica ended before it had warmed up: give it more --generations")
        seconds, worked, written = (log[end] - log[start])[:3]
        busy, tokens, wall = busy + worked, tokens + written, wall + seconds
        slowest = min(slowest, worked / seconds)
    speed = tokens / wall * stretch / device.tokens_per_second()
    ended = max(log[-1, 0] for log in logs)
    whole = sum(log[-1, 1] for log in logs) / sum(ended - log[0, 0] for log in logs)
    return {
        "busy_share": round(busy / wall, 4),
        "slowest_busy_share": round(slowest, 4),
        "speed_share": round(speed, 4),
        "whole_run_busy_share": round(whole, 4),
        "window_s": round(wall / len(logs), 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--replicas", default="1,8,64")
    parser.add_argument("--generations", type=int, default=6, help="times that a replica is filled with pages")
    parser.add_argument("--stretch", type=float, help="instead of the one for each number of replicas")
    parser.add_argument("--reference", choices=("auto", "layer", "none"), default="auto")
    arguments = parser.parse_args()
    wanted = [int(number) for number in arguments.replicas.split(",")]
    stretches = {n: arguments.stretch or next(s for most, s in STRETCH.items() if n <= most) for n in wanted}
    os.environ["PYTHONPATH"] = os.pathsep.join((str(PROJECT), os.environ.get("PYTHONPATH", "")))
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        draw_archive(scratch, PAGES_PER_FILE)
        decoding, preparing = measure_cpu(scratch, arguments.reference)
        text = page_text(scratch)
        device = make_device(preparing, text)
        alone = device.tokens_per_second()
        print(
            METHOD.format(
                compute=capacity.GIVEN.compute_share,
                bandwidth=capacity.GIVEN.bandwidth_share,
                step=device.timing.step * 1e3,
                patch=device.timing.patch * 1e6,
                token=device.timing.prompt_token * 1e6,
                context=device.timing.context_token * 1e9,
                patches=device.page.rows * device.page.columns,
                prompt=len(device.page.ids),
                fewest=device.page.fewest_tokens,
                most=device.page.most_tokens,
                sequences=SEQUENCES,
                prepare=preparing * 1e3,
                node_cpus=NODE_CPUS,
                unit=PAGES_PER_UNIT,
                dpi=IMAGE_DPI,
                full_dpi=DecodeSettings().dpi,
                decode=decoding * 1e3,
                reference=arguments.reference,
                words=len(text.split()),
                stretch=", ".join(f"{stretch:g} for {n}" for n, stretch in stretches.items()),
                cores=os.cpu_count(),
            )
        )
        pages_per_s = alone / capacity.GIVEN.output_tokens
        cores = pages_per_s * (decoding + preparing)
        print(f"The device alone reads {pages_per_s:.2f} pages/s; decoding and cutting for it takes {cores:.2f} cores.")
        figures |= {"device_pages_per_s": round(pages_per_s, 2), "cores_per_replica": round(cores, 2)}
        for replicas in wanted:
            pages = replicas * SEQUENCES * arguments.generations
            found = simulate(device, replicas, stretches[replicas], pages, scratch, arguments.reference)
            print(f"{replicas:3d} replicas: {json.dumps(found)}", flush=True)
            figures |= {f"{name}_{replicas}": value for name, value in found.items()}
    print(json.dumps({**figures, "versions": dict(versions())}))


if __name__ == "__main__":
    main()
