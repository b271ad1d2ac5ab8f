"""OmniDocBench and MDPBench: page pictures to read, with blocks, tables, formulas and reading order as truth.

``OmniDocBench.json`` (or the repository's demo) and ``images/``; ``MDPBench_public.json`` and
``MDPBench_img_public/``: one format. The score is the mean of text, tables and formulas, as OmniDocBench 1.5 has it,
with formulas by edits in the place of its comparison of pictures; reading order is told beside it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from folioscope.pipeline.evaluation.items import Benchmark, BenchmarkDataError, ImageFile, Item, Mark, first_of
from folioscope.pipeline.evaluation.rules.documents import TruePart, omnidocbench_marks

TEXTS = frozenset(
    {
        *("text_block", "title", "code_txt", "code_txt_caption", "reference", "equation_caption", "figure_caption"),
        *("figure_footnote", "table_caption", "table_footnote", "code_algorithm", "code_algorithm_caption"),
        *("header", "footer", "page_footnote", "page_number"),
    }
)
NAMES = ("OmniDocBench.json", "OmniDocBench_demo.json")


def page_truth_items(folder: Path, names: Sequence[str], images: Sequence[str], title: str) -> Iterator[Item]:
    path, pictures = first_of(folder, names, title), first_of(folder, images, title)
    try:
        for page in json.loads(path.read_text(encoding="utf-8")):
            name = str(page["page_info"]["image_path"])
            told = json.dumps([[part.category, part.content, part.order] for part in true_parts(page)])
            attributes = page["page_info"].get("page_attribute", {})
            yield Item(
                name,
                (ImageFile(str(pictures / Path(name).name)),),
                (told,),
                mode="read",
                group=str(attributes.get("language", "")),
                cluster=name,
            )
    except (ValueError, KeyError, TypeError) as error:
        raise BenchmarkDataError(f"{path} is not the annotation file of {title} ({error!r})") from error


def true_parts(page: dict[str, Any]) -> list[TruePart]:
    """The page's blocks in their order; text that goes on in another block is one."""
    blocks = {block["anno_id"]: block for block in page["layout_dets"]}
    joined = _continued(page)
    parts = []
    for block in page["layout_dets"]:
        category, content = block["category_type"], block.get("text", "")
        if any(block["anno_id"] in group[1:] for group in joined):
            continue
        group = next((group for group in joined if block["anno_id"] == group[0]), None)
        if group is not None:
            content = "".join(str(blocks[other].get("text", "")) for other in group)
        if category == "table":
            parts.append(TruePart("table", str(block.get("html", "")), int(block.get("order") or 0)))
        elif category == "equation_isolated":
            parts.append(
                TruePart("formula", str(block.get("latex", "")).strip().strip("$"), int(block.get("order") or 0))
            )
        elif category in TEXTS and content:
            parts.append(TruePart(category, str(content), int(block.get("order") or 0)))
    return sorted(parts, key=lambda part: part.order)


def _continued(page: dict[str, Any]) -> list[list[int]]:
    """Groups of blocks whose text runs from one into the next, by reading order."""
    order = {block["anno_id"]: block.get("order") or 0 for block in page["layout_dets"]}
    groups: list[set[int]] = []
    for relation in page.get("extra", {}).get("relation", []):
        if relation.get("relation_type") != "truncated":
            continue
        pair = {relation["source_anno_id"], relation["target_anno_id"]} & set(order)
        if len(pair) < 2:
            continue
        touching = [group for group in groups if group & pair]
        groups = [group for group in groups if not group & pair] + [pair.union(*touching)]
    return [sorted(group, key=lambda block: order[block]) for group in groups]


def page_truth_marks(item: Item, prediction: str, _: str | None = None) -> Sequence[Mark]:
    truth = [TruePart(*part) for part in json.loads(item.golds[0])]
    return omnidocbench_marks(truth, prediction)


def _mean_of_parts(values: Mapping[str, float]) -> float:
    kept = [values[name] for name in ("text", "table", "formula") if name in values]
    return 100 * sum(kept) / len(kept) if kept else 0.0


def _benchmark(name: str, title: str, layout: str, names: Sequence[str], images: Sequence[str]) -> Benchmark:
    return Benchmark(
        name,
        title,
        layout,
        lambda folder: page_truth_items(folder, names, images, title),
        page_truth_marks,
        _mean_of_parts,
        note="blocks matched one to one; formulas by edits, not by CDM: not to be put beside published totals",
    )


OMNIDOCBENCH = _benchmark(
    "omnidocbench",
    "OmniDocBench",
    "the hub's opendatalab/OmniDocBench: `OmniDocBench.json` and `images/`",
    NAMES,
    ("images",),
)
MDPBENCH = _benchmark(
    "mdpbench",
    "MDPBench",
    "the hub's Delores-Lin/MDPBench: `MDPBench_public.json` and `MDPBench_img_public/`",
    ("MDPBench_public.json", "MDPBench_demo.json"),
    ("MDPBench_img_public", "MDPBench_demo", "images"),
)
