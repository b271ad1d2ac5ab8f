"""How busy understanding keeps a replica: 200 documents, a summary and four questions each, before a simulated H200.

    python -m benchmarks.understanding [--documents 200] [--alone 12] [--replicas 1] [--stretch 4]

No GPU is needed: the engine is the scripted one, and sleeps for as long as one H200 was measured to work. All else is
real: Ray Data, the replica actor and its understand stage, the Kimi-VL replica, PDFs rendered in decode children, the
check of quotes, the commit. Some five minutes, most of them for the documents that are understood one at a time.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import capacity
from benchmarks.documents import draw_pdf
from benchmarks.measure import PROJECT
from benchmarks.replica_utilisation import IMAGE_DPI, NODE_CPUS, measure_cpu, ray_nodes
from benchmarks.simulated_understanding import (
    DECODE_MS,
    LAUNCHES_MS,
    PREFILL_TOKENS_A_SECOND,
    QUOTE,
    VISION_MS_A_PATCH,
    Lengths,
    Simulation,
    UnderstandingActor,
)
from folioscope.model.engine.fake_engine import FakeLimits
from folioscope.model.kimi_vl.image_processing import plan_patches
from folioscope.model.load import ModelChoice
from folioscope.model.protocol import Question, Reading
from folioscope.pipeline.block_stream import run_actors
from folioscope.pipeline.decode.pages import DecodedPage, DecodeSettings
from folioscope.pipeline.phase_planner import DOCUMENTS_PER_BLOCK
from folioscope.pipeline.planning.documents import AskedQuestion, DocumentTasks, SegmentSource
from folioscope.pipeline.planning.units import block_budget, into_blocks
from folioscope.pipeline.stage_runner import BLOCKS_AT_ONCE
from folioscope.pipeline.stages.document_prefetch import UnderstandJob
from folioscope.pipeline.stages.file_access import FileAccess
from folioscope.pipeline.stages.pictures import PictureAccess
from folioscope.pipeline.stages.prefetch import ReadJob
from folioscope.pipeline.stages.replica import ReplicaJob, understand_block
from folioscope.pipeline.storage.download_cache import DownloadCache
from folioscope.pipeline.storage.store import OutputStore
from folioscope.pipeline.tables.part_files import write_part
from folioscope.pipeline.tables.rows import Provenance, page_row
from folioscope.pipeline.versions import versions
from folioscope.schemas.migrations import to_table

PAGES = 3
QUESTIONS = 4
SEQUENCES = 256
CARD_GB = 141
PROMPT_TOKENS = 150
SUMMARY_TOKENS, ANSWER_TOKENS = (150, 450), (40, 120)
METHOD = """\
Method: {documents} documents of {pages} pages, a summary and {questions} answers each, by {replicas} replica(s). The
device is simulated as one H200 was measured (docs/kimi-vl.md): a step of decoding takes {decode} ms with so many
sequences, a patch {patch:.2f} us, prompts {prefill:,} tokens/s and {launches:g} ms a step for launches; {sequences}
requests at once, {cache:,} tokens of cache. A page is {patches:,} patches; a prompt {prompt} tokens beside its pages; a
summary writes {summary[0]} to {summary[1]} tokens, an answer {answer[0]} to {answer[1]}, by chance. Cutting a full-size
picture into patches took this host {prepare:.0f} ms of CPU; that is slept where it is done. Real: Ray Data on local
nodes of {node_cpus} CPUs, the replica actor, blocks of documents as a run makes them, texts from Parquet, PDFs rendered
in decode children, the Kimi-VL replica, the check of quotes, the commit. Pages are rendered at {dpi} dpi; at full size
that takes this host {rendering:.0f} ms of CPU a page. The simulation's seconds are stretched by {stretch:g}, so that
{cores} cores are not what is measured.
One at a time: {alone} of the documents, each in a call of its own that begins when the one before is committed; their
summary and answers are with the engine together.
speedup: documents a second, all of them against one at a time. busy_share: of the time from a replica's first step to
the end of its last, the share in which its device worked; the least busy replica counts.
"""


def make_lengths(prepare_seconds: float) -> Lengths:
    given = capacity.GIVEN
    width, height = (round(side * given.dpi) for side in given.page_inches)
    plan = plan_patches(width, height, 4096)
    return Lengths(plan.rows, plan.columns, PROMPT_TOKENS, SUMMARY_TOKENS, ANSWER_TOKENS, prepare_seconds)


def make_documents(folder: Path, store: OutputStore, count: int) -> list[DocumentTasks]:
    """PDFs, and what a run would have read on their pages: the rows are in the output."""
    recipe, rows, found = Provenance("read-recipe", "run", "simulated@1"), [], []
    path_of_rows = "segments/one.parquet"
    asked = tuple(
        AskedQuestion(Question(f"q{number}", f"What is said of harbour {number}?"), f"answer-recipe-{number}")
        for number in range(QUESTIONS)
    )
    words = f"{QUOTE} was dredged in the year of the survey, and the lights were moved. " * 36
    for number in range(count):
        path = folder / f"{number:04d}.pdf"
        if not path.exists():
            draw_pdf(path, PAGES, number)
        status = path.stat()
        asset_id, etag = f"{number:064x}", f"{status.st_size}-{status.st_mtime_ns}"
        for page in range(1, PAGES + 1):
            decoded = DecodedPage(page, 1224, 1584, 0, None, None)
            rows.append(page_row(str(path), asset_id, decoded, Reading(words, "model"), recipe))
        found.append(
            DocumentTasks(
                *(asset_id, str(path), etag, status.st_size, "pdf", None, 0.0, (), recipe.recipe_id),
                *("summary-recipe", (SegmentSource(path_of_rows),), True, asked),
            )
        )
    write_part(store, "segments", path_of_rows, to_table("segments", rows))
    return found


def simulate(
    blocks: Sequence[Sequence[DocumentTasks]], simulation: Simulation, replicas: int, calls_at_once: int
) -> dict[str, float]:
    """All blocks through replicas; raises where not every task was done."""
    tables = [understand_block(block, 1) for block in blocks]
    with ray_nodes(replicas):
        results = run_actors(
            iter(tables), UnderstandingActor, simulation, size=replicas, num_cpus=1.0, calls_at_once=calls_at_once
        )
        counts = pa.concat_tables(results)
    wanted, done = sum(document.tasks for block in blocks for document in block), sum(counts["done"].to_pylist())
    if done != wanted:
        raise SystemExit(f"{done} tasks were done of {wanted}: the figures mean nothing")
    logs = [np.loadtxt(path, ndmin=2) for path in Path(simulation.log_folder).glob("*.log")]
    seconds = max(log[-1, 1] for log in logs) - min(log[0, 0] for log in logs)
    shares = [log[-1, 2] / (log[-1, 1] - log[0, 0]) for log in logs]
    documents = sum(map(len, blocks))
    return {"documents_per_s": documents / seconds * simulation.stretch, "busy_share": min(shares)}


def make_simulation(scratch: Path, name: str, lengths: Lengths, stretch: float) -> tuple[Simulation, OutputStore]:
    folder = scratch / name
    logs = folder / "logs"
    logs.mkdir(parents=True)
    store, provenance = OutputStore(str(folder / "out")), Provenance("recipe", "run", "simulated@1")
    settings = DecodeSettings(dpi=IMAGE_DPI, layout="fast", render="always")
    files = FileAccess(DownloadCache(folder / "download cache"), 1 << 30)
    usable = CARD_GB * 1e9 * capacity.GIVEN.usable_memory
    free = usable - capacity.parameters() * capacity.BYTES - capacity.activations()
    room = int(free // capacity.cache_bytes_per_token())
    job = ReplicaJob(
        store,
        ModelChoice("simulated"),
        ReadJob(store, provenance, settings, files, seconds_per_read=3600.0),
        UnderstandJob(provenance, 3600.0, PictureAccess(settings, files)),
    )
    limits = FakeLimits(cache_tokens=room, most_sequences=SEQUENCES, join_at_once=8, tokens_per_step=10_240)
    return Simulation(job, lengths, limits, stretch, str(logs)), store


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=200)
    parser.add_argument("--alone", type=int, default=12, help="documents that are understood one at a time")
    parser.add_argument("--replicas", type=int, default=1)
    parser.add_argument("--stretch", type=float, default=4.0)
    arguments = parser.parse_args()
    os.environ["PYTHONPATH"] = os.pathsep.join((str(PROJECT), os.environ.get("PYTHONPATH", "")))
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        draw_pdf(scratch / "sample" / "a.pdf", 24, 1)
        rendering, preparing = measure_cpu(scratch / "sample")
        lengths = make_lengths(preparing)
        together, store = make_simulation(scratch, "together", lengths, arguments.stretch)
        documents = make_documents(scratch, store, arguments.documents)
        print(
            METHOD.format(
                documents=len(documents),
                pages=PAGES,
                questions=QUESTIONS,
                replicas=arguments.replicas,
                decode=" / ".join(f"{ms} ({n})" for n, ms in DECODE_MS.items()),
                patch=VISION_MS_A_PATCH * 1000,
                prefill=PREFILL_TOKENS_A_SECOND,
                launches=LAUNCHES_MS,
                sequences=SEQUENCES,
                cache=together.limits.cache_tokens,
                patches=lengths.rows * lengths.columns,
                prompt=PROMPT_TOKENS,
                summary=SUMMARY_TOKENS,
                answer=ANSWER_TOKENS,
                prepare=preparing * 1000,
                node_cpus=NODE_CPUS,
                dpi=IMAGE_DPI,
                rendering=rendering * 1000,
                stretch=arguments.stretch,
                cores=os.cpu_count(),
                alone=arguments.alone,
            )
        )
        budget = block_budget(len(documents), arguments.replicas, DOCUMENTS_PER_BLOCK)
        blocks = list(into_blocks(documents, budget, lambda document: 1))
        begun = time.perf_counter()
        found = simulate(blocks, together, arguments.replicas, BLOCKS_AT_ONCE)
        print(f"all, {time.perf_counter() - begun:.0f} s: {json.dumps(found)}", flush=True)
        alone, store = make_simulation(scratch, "alone", lengths, arguments.stretch)
        singles = make_documents(scratch, store, arguments.alone)
        baseline = simulate([[document] for document in singles], alone, 1, 1)
        print(f"one at a time: {json.dumps(baseline)}", flush=True)
        figures["speedup"] = round(found["documents_per_s"] / baseline["documents_per_s"] / arguments.replicas, 2)
        figures["busy_share"] = round(found["busy_share"], 4)
        figures["documents_per_s"] = round(found["documents_per_s"], 3)
        figures["documents_per_s_one_at_a_time"] = round(baseline["documents_per_s"], 3)
    print(json.dumps({**figures, "versions": dict(versions())}))


if __name__ == "__main__":
    main()
