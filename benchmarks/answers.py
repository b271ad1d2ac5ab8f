"""Questions over real files, answered by the embedded replica: how many are right, wrong, and left without an answer.

    python benchmarks/answers.py CORPUS_DIR [--show]

CORPUS_DIR holds the files that ``data/answers*.yaml`` name; they are not ours to pass on, the questions are. Files are
read as the jobs read them, without Ray. By the questions of ``answers.yaml`` the rules were tuned; those of
``answers_unseen.yaml``, over other files, were written afterwards, and are what is reported. Right: an answer that
holds the words that it must, or none to a question that the file does not answer. Wrong: any other answer. Unanswered:
no answer where there is one.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import yaml

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.structure import readings
from folioscope.model.embedded.answer import answer
from folioscope.model.plain_text import normal_form
from folioscope.model.protocol import Answer, DocumentText, PageText, Question
from folioscope.pipeline.versions import versions

DATA = Path(__file__).parent / "data"
SETS = {"tuned": DATA / "answers.yaml", "unseen": DATA / "answers_unseen.yaml"}


def questions(name: str) -> dict[str, dict[str, str | None]]:
    """Of each file of a set: question → what its answer must hold, None where the file does not answer it."""
    found: dict[str, dict[str, str | None]] = yaml.safe_load(SETS[name].read_text(encoding="utf-8"))
    return found


def outcome(found: Answer, wanted: str | None) -> str:
    """right, wrong or unanswered."""
    if not found.answerable or found.text is None:
        return "right" if wanted is None else "unanswered"
    if wanted is None:
        return "wrong"
    said = normal_form(found.text)
    return "right" if any(normal_form(part) in said for part in str(wanted).split("|")) else "wrong"


def tallies(document: DocumentText, asked: dict[str, str | None], *, show: bool = False) -> Counter[str]:
    """Outcome → how many of a document's questions; ``right_answered`` of those that were rightly answered."""
    answers = answer(document, [Question(str(n), text) for n, text in enumerate(asked)])
    counts: Counter[str] = Counter()
    for (text, wanted), found in zip(asked.items(), answers, strict=True):
        how = outcome(found, wanted)
        counts[how] += 1
        counts[f"{how}_answered"] += found.answerable
        if show:
            print(f"{how:10} {text}\n           {found.text}  [{wanted}]")
    return counts


def figures(counts: Counter[str], end: str) -> dict[str, int]:
    """The JSON keys; ``answered_right`` leaves out questions that were rightly not answered."""
    keys = {f"{how}{end}": counts[how] for how in ("right", "wrong", "unanswered")}
    return keys | {f"answered_right{end}": counts["right_answered"]}


def document_of(path: Path, pages: Iterable[PageText]) -> DocumentText:
    return DocumentText("a" * 64, path.name, None, tuple(pages))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--show", action="store_true", help="print each question with its answer")
    arguments = parser.parse_args()
    print(__doc__)
    begun = time.perf_counter()
    told: dict[str, int] = {}
    for name, end in (("unseen", ""), ("tuned", "_tuned")):
        counts: Counter[str] = Counter()
        for file, asked in questions(name).items():
            path = arguments.corpus / file
            pages = (
                PageText(n, reading.text, reading.blocks, reading.language) for n, reading in readings(path, "pdf")
            )
            counts += tallies(document_of(path, pages), asked, show=arguments.show)
        told |= figures(counts, end)
    seconds = round(time.perf_counter() - begun, 1)
    print(json.dumps({**told, "seconds": seconds, "versions": dict(versions())}))


if __name__ == "__main__":
    main()
