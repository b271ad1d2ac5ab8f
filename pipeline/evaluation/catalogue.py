"""The benchmarks that can be run, by name; what cannot, and why."""

from __future__ import annotations

from typing import Final

from folioscope.pipeline.evaluation.benchmarks.choice_tables import CHOICE_TABLES
from folioscope.pipeline.evaluation.benchmarks.college_videos import MMVU, VIDEOMMMU
from folioscope.pipeline.evaluation.benchmarks.documents import ICDAR_2013, KITAB, READOC
from folioscope.pipeline.evaluation.benchmarks.mathematics import MATHVISION, MATHVISTA
from folioscope.pipeline.evaluation.benchmarks.mmlongbench_doc import MMLONGBENCH_DOC
from folioscope.pipeline.evaluation.benchmarks.mmmu import MMMU
from folioscope.pipeline.evaluation.benchmarks.mmvet import MMVET
from folioscope.pipeline.evaluation.benchmarks.olmocr_bench import OLMOCR_BENCH
from folioscope.pipeline.evaluation.benchmarks.page_truth import MDPBENCH, OMNIDOCBENCH
from folioscope.pipeline.evaluation.benchmarks.recognition import INFOVQA, OCRBENCH
from folioscope.pipeline.evaluation.benchmarks.screenspot import SCREENSPOT_PRO, SCREENSPOT_V2
from folioscope.pipeline.evaluation.benchmarks.video_choices import (
    EGOSCHEMA,
    LONGVIDEOBENCH,
    MLVU,
    TOMATO,
    VIDEO_MME,
    VIDEO_MME_SUBTITLED,
)
from folioscope.pipeline.evaluation.benchmarks.vsi_bench import VSI_BENCH
from folioscope.pipeline.evaluation.items import Benchmark

BENCHMARKS: Final[dict[str, Benchmark]] = {
    benchmark.name: benchmark
    for benchmark in (
        *(MMMU, VIDEOMMMU, MMVU, *CHOICE_TABLES, MMVET, MATHVISTA, MATHVISION, INFOVQA, OCRBENCH),
        *(SCREENSPOT_V2, SCREENSPOT_PRO, MMLONGBENCH_DOC, VIDEO_MME, VIDEO_MME_SUBTITLED, MLVU, LONGVIDEOBENCH),
        *(EGOSCHEMA, VSI_BENCH, TOMATO, OLMOCR_BENCH, OMNIDOCBENCH, MDPBENCH, READOC, KITAB, ICDAR_2013),
    )
}
NOT_RUN: Final[dict[str, str]] = {
    "osworld": "OSWorld scores what an agent did on a live desktop; there is nothing to be read from files",
    "windowsagentarena": "WindowsAgentArena scores what an agent did on a live desktop; see OSWorld",
}
