"""Does a trial rank readers rightly, and do its intervals hold? Scripted readers of known error rates, many seeds.

    python benchmarks/trial.py FOLDER_OF_PDFS [--seeds 100] [--pages 200]

Every page of the folder's PDFs with at least 20 words in its text layer is an archive's page; its layer is the truth.
Three scripted readers get each word wrong with a known probability (1, 2 and 4 %, twice as often in every third file).
For each seed a stratified sample is drawn as ``folioscope evaluate --trial`` draws it, scored, and compared with the
mean over all pages. Once all pages may be scored by their layers (``ranking_right``, ``intervals_held``), once those of
every second file may not: such pages are scored by the readers' agreement (``ranking_right_half_hidden``). The readings
are made, the pages are real; no model runs. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pymupdf

from folioscope.pipeline.evaluation.trial.estimates import Floats, Strata, mean
from folioscope.pipeline.evaluation.trial.run import page_scores
from folioscope.pipeline.evaluation.trial.sample import ArchivePage, SampledPage, draw, stratify

ERRORS = {"one": 0.01, "two": 0.02, "four": 0.04}
LEAST_WORDS = 20


def texts_of(folder: Path) -> Iterator[tuple[str, int, str]]:
    """(file, page number, text) of every page with words; files that PyMuPDF refuses are left out, and told."""
    for path in sorted(folder.rglob("*.pdf")):
        try:
            with pymupdf.open(path) as document:
                for number, page in enumerate(document, start=1):
                    text = page.get_text()
                    if len(text.split()) >= LEAST_WORDS:
                        yield path.name, number, text
        except (RuntimeError, ValueError) as error:
            print(f"left out: {path.name} ({error})")


def misread(text: str, error: float, seed: str) -> str:
    generator = random.Random(seed)
    return " ".join("misread" if generator.random() < error else word for word in text.split())


def archive_of(pages: list[tuple[str, int, str]], *, hide_half: bool) -> list[SampledPage]:
    files = {name: place for place, name in enumerate(sorted({name for name, _, _ in pages}))}
    verdicts = ["no_layer" if hide_half and files[name] % 2 else "text_layer" for name, _, _ in pages]
    keys = [(verdict, "pdf", "en", name) for verdict, (name, _, _) in zip(verdicts, pages, strict=True)]
    strata = stratify(keys, 200)
    return [
        SampledPage(ArchivePage(name, name, "", None, number, verdict, stratum), text, "truth", None)
        for (name, number, text), verdict, stratum in zip(pages, verdicts, strata, strict=True)
    ]


def all_scores(archive: list[SampledPage], *, known: bool) -> dict[str, Floats]:
    """Each reader's score on every page; without a layer, what the tables hold is one reader's own text."""
    ids = [f"{one.page.uri} {one.page.page_number}" for one in archive]
    files = {name: place for place, name in enumerate(sorted({one.page.uri for one in archive}))}
    texts: dict[str, dict[str, str]] = {}
    for name, error in ERRORS.items():
        texts[name] = {
            key: misread(one.text, error * (2 if files[one.page.uri] % 3 == 0 else 1), f"{name} {key}")
            for key, one in zip(ids, archive, strict=True)
        }
    if not known:
        archive = [
            one if one.page.verdict == "text_layer" else SampledPage(one.page, texts["two"][key], "two", None)
            for key, one in zip(ids, archive, strict=True)
        ]
    return page_scores(archive, ids, texts)


def rankings(archive: list[SampledPage], scores: dict[str, Floats], seeds: int, size: int) -> dict[str, float]:
    names = [one.page.stratum for one in archive]
    sizes = Counter(names)
    truth = {name: float(values.mean()) for name, values in scores.items()}
    right = held = 0
    for seed in range(seeds):
        places = draw(names, size, seed)
        strata = Strata.of([names[place] for place in places], sizes)
        told = {name: mean(values[places], strata, 0.0, 1.0) for name, values in scores.items()}
        right += sorted(ERRORS, key=lambda name: ERRORS[name]) == sorted(told, key=lambda name: -told[name].value)
        held += sum(told[name].low <= truth[name] <= told[name].high for name in told)
    return {"right": right / seeds, "held": held / seeds / len(scores)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--pages", type=int, default=200)
    arguments = parser.parse_args()
    print(__doc__)
    pages = list(texts_of(arguments.folder))
    print(f"{len(pages):,} pages of {len({name for name, _, _ in pages}):,} files")
    known = archive_of(pages, hide_half=False)
    hidden = archive_of(pages, hide_half=True)
    found = rankings(known, all_scores(known, known=True), arguments.seeds, arguments.pages)
    half = rankings(hidden, all_scores(hidden, known=False), arguments.seeds, arguments.pages)
    print(
        json.dumps(
            {
                "ranking_right": found["right"],
                "intervals_held": found["held"],
                "ranking_right_half_hidden": half["right"],
                "pages": len(pages),
                "sample": arguments.pages,
                "seeds": arguments.seeds,
            }
        )
    )


if __name__ == "__main__":
    main()
