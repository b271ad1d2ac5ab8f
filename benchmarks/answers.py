"""Questions over real files, answered by the embedded replica: how many are right, wrong, and left without an answer.

    python benchmarks/answers.py CORPUS_DIR [--show]

CORPUS_DIR holds the files that ``data/answers.yaml`` names; they are not ours to pass on, the questions are. Files are
read as the jobs read them, without Ray. Every second question of a file belongs to the half by which the rules were
tuned, the others to the half that is reported. Right: an answer that holds the words that it must, or none to a
question that the file does not answer. Wrong: any other answer. Unanswered: no answer where there is one.
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

QUESTIONS = Path(__file__).parent / "data" / "answers.yaml"
HALVES = ("tuned", "held")  # questions by which the rules were tuned, and questions held back


def questions() -> dict[str, dict[str, str | None]]:
    """Of each file: question → what its answer must hold, None where the file does not answer it."""
    found: dict[str, dict[str, str | None]] = yaml.safe_load(QUESTIONS.read_text(encoding="utf-8"))
    return found


def outcome(found: Answer, wanted: str | None) -> str:
    """right, wrong or unanswered."""
    if not found.answerable or found.text is None:
        return "right" if wanted is None else "unanswered"
    if wanted is None:
        return "wrong"
    said = normal_form(found.text)
    return "right" if any(normal_form(part) in said for part in str(wanted).split("|")) else "wrong"


def tallies(document: DocumentText, asked: dict[str, str | None], *, show: bool = False) -> Counter[tuple[str, str]]:
    """(half, outcome) → how many of a document's questions."""
    answers = answer(document, [Question(str(n), text) for n, text in enumerate(asked)])
    counts: Counter[tuple[str, str]] = Counter()
    for number, ((text, wanted), found) in enumerate(zip(asked.items(), answers, strict=True)):
        half, how = HALVES[number % 2], outcome(found, wanted)
        answered = "answered" if found.answerable else "silent"
        counts[half, how] += 1
        counts[half, f"{how}_{answered}"] += 1
        if show:
            print(f"{half:6} {how:10} {text}\n                  {found.text}  [{wanted}]")
    return counts


def figures(counts: Counter[tuple[str, str]]) -> dict[str, int]:
    """The JSON keys; ``answered_right`` leaves out questions that were rightly not answered."""
    keys: dict[str, int] = {}
    for half, end in (("held", ""), ("tuned", "_tuned")):
        keys |= {f"{how}{end}": counts[half, how] for how in ("right", "wrong", "unanswered")}
        keys[f"answered_right{end}"] = counts[half, "right_answered"]
    return keys


def document_of(path: Path, pages: Iterable[PageText]) -> DocumentText:
    return DocumentText("a" * 64, path.name, None, tuple(pages))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--show", action="store_true", help="print each question with its answer")
    arguments = parser.parse_args()
    print(__doc__)
    begun = time.perf_counter()
    counts: Counter[tuple[str, str]] = Counter()
    for name, asked in questions().items():
        path = arguments.corpus / name
        pages = (PageText(n, reading.text, reading.blocks, reading.language) for n, reading in readings(path, "pdf"))
        counts += tallies(document_of(path, pages), asked, show=arguments.show)
    seconds = round(time.perf_counter() - begun, 1)
    print(json.dumps({**figures(counts), "seconds": seconds, "versions": dict(versions())}))


if __name__ == "__main__":
    main()
