"""VideoMMMU and MMVU (validation): lectures and expert questions about videos.

VideoMMMU by lmms-eval's own task, which its authors publish with: perception, comprehension and adaptation in one
figure. MMVU by a judge model; without one by lmms-eval's rules for it.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterator, Sequence
from pathlib import Path

from folioscope.pipeline.evaluation.items import (
    Benchmark,
    BenchmarkDataError,
    Frames,
    Item,
    Judging,
    Mark,
    Text,
    needed,
    percent_of,
    right_or_wrong,
)
from folioscope.pipeline.evaluation.rules.choices import lettered, letters, ranked_option
from folioscope.pipeline.evaluation.rules.judges import equal_question, told_equal
from folioscope.pipeline.evaluation.rules.numbers import as_number, open_answer_is_right
from folioscope.pipeline.evaluation.tables_in import Row, json_rows, parquet_rows

FRAMES = 32
LEARN = "You should watch and learn the video content. Then apply what you learned to answer the following "
AT_THE_END = " The image for this question is at the end of the video.\n"
IGNORE_QUIZ = "\nPlease ignore the Quiz question in last frame of the video."
TRACKS = ("Perception", "Comprehension", "Adaptation")
_FIELDS = {
    "Art": ("Art", "Art_Theory", "Design", "Music"),
    "Science": ("Biology", "Chemistry", "Geography", "Math", "Physics"),
    "Humanities": ("History", "Literature", "Sociology", "Psychology"),
    "Business": ("Accounting", "Economics", "Finance", "Manage", "Marketing"),
    "Medicine": (
        *("Basic_Medical_Science", "Clinical_Medicine", "Diagnostics_and_Laboratory_Medicine"),
        *("Pharmacy", "Public_Health"),
    ),
    "Engineering": (
        *("Agriculture", "Architecture_and_Engineering", "Computer_Science", "Electronics"),
        *("Energy_and_Power", "Materials", "Mechanical_Engineering"),
    ),
}
FIELD_OF = {subject: field for field, subjects in _FIELDS.items() for subject in subjects}
_SUPERSCRIPTS = str.maketrans({sign: f"^{digit}" for digit, sign in enumerate("⁰¹²³⁴⁵⁶⁷⁸⁹")})


def videommmu_items(folder: Path) -> Iterator[Item]:
    for track in TRACKS:
        paths = sorted(needed(folder, track, "VideoMMMU").glob("*.parquet"))
        for path in paths:
            for row in parquet_rows(path):
                yield _lecture(folder, track, row)


def _lecture(folder: Path, track: str, row: Row) -> Item:
    item_id, options = row.text("id"), row.texts("options")
    subject = "_".join(item_id.split("_")[1:-1])
    if subject not in FIELD_OF:
        raise BenchmarkDataError(f"{row.path}: {item_id} is of no subject of VideoMMMU")
    choice = row.text("question_type") != "open"
    question = row.text("question")
    told = f"{question}\n{_listed(options)}" if choice else question
    if track == "Adaptation":
        told = f"{LEARN}{'multi-choice' if choice else 'open-ended'} question.{AT_THE_END}{told}"
    else:
        told += IGNORE_QUIZ
    return Item(
        f"{track}/{item_id}",
        (Frames(str(folder / FIELD_OF[subject] / f"{item_id}.mp4"), FRAMES), Text(told)),
        tuple(row.texts("answer")),
        question=question,
        options=tuple(options) if choice else (),
        kind=row.text("question_type"),
        group=track,
        cluster=item_id,
    )


def _listed(options: Sequence[str]) -> str:
    if all(option.startswith(f"{letter}.") for letter, option in zip(string.ascii_uppercase, options, strict=False)):
        return "\n".join(options)
    return "\n".join(f"{letter}. {option}" for letter, option in lettered(options).items())


def videommmu_marks(item: Item, prediction: str, _: str | None = None) -> Sequence[Mark]:
    if item.options:
        letter = ranked_option(prediction, letters(len(item.options)))
        return right_or_wrong(letter in item.golds, f"taken as {letter or 'none'}")
    return right_or_wrong(open_answer_is_right(prediction, item.golds))


VIDEOMMMU = Benchmark(
    "videommmu",
    "VideoMMMU",
    "the hub's lmms-lab/VideoMMMU: `Perception/`, `Comprehension/`, `Adaptation/` (Parquet) and its videos by field",
    videommmu_items,
    videommmu_marks,
    percent_of(),
)


def mmvu_items(folder: Path) -> Iterator[Item]:
    for row in json_rows(needed(folder, "validation.json", "MMVU")):
        choices = row.cells.get("choices")
        options = {letter: str(text) for letter, text in choices.items()} if isinstance(choices, dict) else {}
        options = {letter: text for letter, text in options.items() if text}
        choice = row.text("question_type") == "multiple-choice"
        listed = "".join(f"{letter}: {text}\n" for letter, text in options.items()) if choice else ""
        ending = (
            "Answer directly with the option letter from the\ngiven choices.\n"
            if choice
            else "Directly output the final answer.\n"
        )
        told = (
            f"\nQuestion:{row.text('question')}\n{listed}Visual Information: processed video\n"
            f"Do not generate any intermediate reasoning process. {ending}"
        )
        place = row.text("video").rpartition("videos/")[2]
        yield Item(
            row.text("id"),
            (Frames(str(folder / "videos" / place), FRAMES), Text(told)),
            (row.text("answer"),),
            question=row.text("question"),
            options=tuple(options.values()) if choice else (),
            kind=row.text("question_type"),
            group=place.rpartition("/")[0],
            cluster=place,
        )


def mmvu_marks(item: Item, prediction: str, reply: str | None) -> Sequence[Mark]:
    by_rule = mmvu_by_rule(item, prediction)
    judged = None if reply is None or item.options or by_rule else told_equal(reply)
    return right_or_wrong(by_rule or bool(judged), "right by rule" if by_rule else "" if judged is None else "judged")


def judged_mmvu(item: Item, prediction: str) -> Judging | None:
    """Choices are never judged, open answers only where the rule finds them wrong."""
    if item.options or mmvu_by_rule(item, prediction):
        return None
    return equal_question(item.question, item.golds[0], prediction)


def mmvu_by_rule(item: Item, prediction: str) -> bool:
    gold = item.golds[0].strip()
    return _choice_by_rule(item, prediction.strip(), gold) if item.options else _open_by_rule(prediction, gold)


def _choice_by_rule(item: Item, prediction: str, gold: str) -> bool:
    if re.search(rf"\b{re.escape(gold)}\b", prediction, re.I):
        return True
    text = lettered(item.options).get(gold, "").strip().lower()
    lowered = prediction.lower()
    if not text:
        return False
    if text in lowered:
        return True
    words = [word.strip(string.punctuation) for word in text.split()]
    return gold.lower() in lowered and any(word in lowered for word in words if len(word) > 2)


def _open_by_rule(prediction: str, gold: str) -> bool:
    said, wanted = (" ".join(text.strip().lower().translate(_SUPERSCRIPTS).split()) for text in (prediction, gold))
    if wanted in said or said in wanted:
        return True
    numbers, told = (re.findall(r"\d+\.?\d*", text) for text in (wanted, said))
    if numbers and told:
        one, other = as_number(numbers[0]), as_number(told[0])
        if one is not None and other is not None and abs(one - other) < 0.01:
            return True
    words, told_words = (_bare_words(text) for text in (wanted, said))
    if 2 <= len(words) <= 5 and all(word in told_words for word in words if len(word) > 2):
        return True
    orders = [re.search(r"O\s*\([^)]+\)", text, re.I) for text in (said, wanted)]
    return all(orders) and len({order[0] for order in orders if order}) == 1


def _bare_words(text: str) -> list[str]:
    return [bare for word in text.split() if (bare := word.strip(string.punctuation))]


MMVU = Benchmark(
    "mmvu",
    "MMVU val",
    "the hub's yale-nlp/MMVU: `validation.json` and `videos/`",
    mmvu_items,
    mmvu_marks,
    percent_of(),
    judging=judged_mmvu,
    rule_without_judge="lmms-eval's rules for MMVU: letters, contained answers, near numbers, all words of short ones",
)
