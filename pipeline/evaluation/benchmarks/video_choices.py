"""Video-MME, MLVU, LongVideoBench, EgoSchema and TOMATO: one letter about one video.

How many frames a model gets is its own choice in all of these but TOMATO; the numbers here are those of the suites'
defaults, and stand in the item, so that a change of theirs asks the replica anew.
"""

from __future__ import annotations

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
    first_of,
    needed,
    percent_of,
    right_or_wrong,
)
from folioscope.pipeline.evaluation.rules.choices import (
    before_bracket,
    egoschema_option,
    first_letter,
    lettered,
    letters,
    tomato_option,
)
from folioscope.pipeline.evaluation.rules.judges import option_question, told_option
from folioscope.pipeline.evaluation.tables_in import Row, json_rows, parquet_rows

FRAMES = 256
TOMATO_FRAMES = 16
DIRECTLY = "Answer with the option's letter from the given choices directly."
BEST = "Respond with only the letter (A, B, C, or D) of the correct option.\n"


def video_mme_items(folder: Path, subtitled: bool) -> Iterator[Item]:
    paths = sorted(needed(folder, "videomme", "Video-MME").glob("test-*.parquet"))
    if not paths:
        raise BenchmarkDataError(f"Video-MME: {folder}/videomme holds no test-*.parquet")
    for path in paths:
        for row in parquet_rows(path):
            yield _video_mme_item(folder, row, subtitled)


def _video_mme_item(folder: Path, row: Row, subtitled: bool) -> Item:
    video, options = row.text("videoID"), row.texts("options")
    lines = folder / "subtitle" / f"{video}.srt"
    about = "the video and the subtitles" if subtitled else "the video"
    told = f"Select the best answer to the following multiple-choice question based on {about}. {BEST}"
    listed = "\n".join(options)
    path = first_of(folder / "data", (f"{video}.mp4", f"{video}.MP4", f"{video}.mkv"), "Video-MME")
    shown = Frames(str(path), FRAMES, subtitles=str(lines) if subtitled and lines.exists() else None)
    return Item(
        row.text("question_id"),
        (shown, Text(f"{told}{row.text('question')}\n{listed}\nThe best answer is:")),
        (row.text("answer"),),
        question=row.text("question"),
        options=tuple(options),
        kind=row.text("task_type"),
        group=row.text("duration"),
        cluster=video,
        max_new_tokens=64,
    )


def _first_letter_marks(item: Item, prediction: str, among: Sequence[str]) -> Sequence[Mark]:
    letter = first_letter(prediction, among)
    return right_or_wrong(letter in item.golds, f"taken as {letter or 'none'}")


def video_mme_marks(item: Item, prediction: str, _: str | None = None) -> Sequence[Mark]:
    return _first_letter_marks(item, prediction, letters(4))


def _video_mme(name: str, title: str, subtitled: bool) -> Benchmark:
    return Benchmark(
        name,
        title,
        "the hub's lmms-lab/Video-MME: `videomme/test-*.parquet`, `data/*.mp4`, `subtitle/*.srt`",
        lambda folder: video_mme_items(folder, subtitled),
        video_mme_marks,
        percent_of(),
    )


VIDEO_MME = _video_mme("video-mme", "Video-MME (w/o sub.)", False)
VIDEO_MME_SUBTITLED = _video_mme("video-mme-subtitled", "Video-MME (w/ sub.)", True)

MLVU_TASKS = ("plotQA", "needle", "ego", "count", "order", "anomaly_reco", "topic_reasoning")


def mlvu_items(folder: Path) -> Iterator[Item]:
    """``json/<n>_<task>.json`` and ``video/<n>_<task>/``."""
    found = False
    for path in sorted(needed(folder, "json", "MLVU").glob("*.json")):
        task = path.stem.partition("_")[2]
        if task not in MLVU_TASKS:
            continue
        found = True
        for row in json_rows(path):
            options = row.texts("candidates")
            if row.text("answer") not in options:
                raise BenchmarkDataError(f"{path}: the answer of entry {row.place} is none of its candidates")
            gold = letters(len(options))[options.index(row.text("answer"))]
            listed = "\n".join(f"({letter}) {text}" for letter, text in lettered(options).items())
            told = f"Question: {row.text('question')}\nOptions:\n{listed}\nOnly give the best option.\nBest option: ("
            yield Item(
                f"{task}-{row.place}",
                (Frames(str(folder / "video" / path.stem / row.text("video")), FRAMES), Text(told)),
                (gold,),
                question=row.text("question"),
                options=tuple(options),
                group=task,
                cluster=row.text("video"),
                max_new_tokens=64,
            )
    if not found:
        raise BenchmarkDataError(f"MLVU: {folder}/json holds none of the tasks {', '.join(MLVU_TASKS)}")


def mlvu_marks(item: Item, prediction: str, _: str | None = None) -> Sequence[Mark]:
    said = before_bracket(prediction)
    return right_or_wrong(said in item.golds, f"taken as {said[:20]}")


MLVU = Benchmark(
    "mlvu-mcq",
    "MLVU-MCQ",
    "the hub's MLVU/MVLU: `json/<n>_<task>.json`, `video/<n>_<task>/`",
    mlvu_items,
    mlvu_marks,
    percent_of(),
    means={"accuracy": "groups"},
    note="the mean of the seven tasks' accuracies",
)


def longvideobench_items(folder: Path) -> Iterator[Item]:
    for row in json_rows(needed(folder, "lvb_val.json", "LongVideoBench")):
        options = row.texts("candidates") or [row.text(f"option{n}") for n in range(5)]
        options = [option for option in options if option and option != "N/A"]
        listed = "\n".join(f"{letter}. {text}" for letter, text in lettered(options).items())
        shown = Frames(
            str(folder / "videos" / row.text("video_path")),
            FRAMES,
            "start",
            duration_s=row.number("duration"),
            subtitles=str(folder / "subtitles" / row.text("subtitle_path")) if row.has("subtitle_path") else None,
            interleaved=True,
            subtitle_start_s=row.number("starting_timestamp_for_subtitles")
            if row.has("starting_timestamp_for_subtitles")
            else 0.0,
        )
        yield Item(
            row.text("id"),
            (shown, Text(f"Question: {row.text('question')}\n{listed}\n{DIRECTLY}")),
            (letters(26)[int(row.number("correct_choice"))],),
            question=row.text("question"),
            options=tuple(options),
            kind=row.text("question_category"),
            group=row.text("duration_group"),
            cluster=row.text("video_id"),
            max_new_tokens=64,
        )


def longvideobench_marks(item: Item, prediction: str, _: str | None = None) -> Sequence[Mark]:
    return _first_letter_marks(item, prediction, letters(5))


LONGVIDEOBENCH = Benchmark(
    "longvideobench",
    "LongVideoBench",
    "the hub's longvideobench/LongVideoBench: `lvb_val.json`, `videos/`, `subtitles/`",
    longvideobench_items,
    longvideobench_marks,
    percent_of(),
    note="subtitles between the frames, as the suite has it; what names no letter is wrong, not drawn",
)


def egoschema_items(folder: Path) -> Iterator[Item]:
    """The questions whose answers are public: 500 of 5,031."""
    answers = {
        row.text("_key") or row.text("q_uid"): int(row.number("answer"))
        for row in _answered(needed(folder, "subset_answers.json", "EgoSchema"))
    }
    for row in json_rows(needed(folder, "questions.json", "EgoSchema")):
        key = row.text("q_uid")
        if key not in answers:
            continue
        options = [row.text(f"option {number}") for number in range(5)]
        listed = "\n".join(f"{letter}. {text}" for letter, text in lettered(options).items())
        yield Item(
            key,
            (
                Frames(str(folder / "videos" / f"{key}.mp4"), FRAMES),
                Text(f"{row.text('question')}\n{listed}\n{DIRECTLY}"),
            ),
            (letters(5)[answers[key]],),
            question=row.text("question"),
            options=tuple(options),
            max_new_tokens=64,
        )


def _answered(path: Path) -> Iterator[Row]:
    import json

    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        for key, answer in values.items():
            yield Row(path, 0, {"_key": key, "answer": answer})
    except (ValueError, AttributeError) as error:
        raise BenchmarkDataError(f"{path} is no object of answers ({error})") from error


def egoschema_marks(item: Item, prediction: str, _: str | None = None) -> Sequence[Mark]:
    letter = egoschema_option(prediction, lettered(item.options))
    return right_or_wrong(letter in item.golds, f"taken as {letter or 'none'}")


EGOSCHEMA = Benchmark(
    "egoschema",
    "EgoSchema",
    "`questions.json` and `subset_answers.json` of egoschema/EgoSchema, and `videos/`",
    egoschema_items,
    egoschema_marks,
    percent_of(),
    note="the published figure is of all 5,031 questions, whose answers only its server has; this is the public 500",
)


def tomato_items(folder: Path) -> Iterator[Item]:
    paths = sorted(needed(folder, "data", "TOMATO").glob("*.json"))
    for path in paths:
        for row in json_rows(path):
            options = row.texts("options")
            place = f"{row.text('demonstration_type')}/{row.text('key')}.mp4"
            told = tomato_prompt(row.text("question"), options)
            yield Item(
                f"{path.stem}-{row.text('_key') or row.place}",
                (Frames(str(folder / "videos" / place), TOMATO_FRAMES), Text(told)),
                (letters(len(options))[int(row.number("answer"))],),
                question=row.text("question"),
                options=tuple(options),
                group=path.stem,
                cluster=place,
                max_new_tokens=256,
            )


def tomato_prompt(question: str, options: Sequence[str]) -> str:
    return (
        f"You will be provided with {TOMATO_FRAMES} separate frames uniformly sampled from a video, the frames are "
        "provided in chronological order of the video. Analyze these frames and provide the answer to the question "
        "about the video content. Answer the multiple-choice question about the video content. \n\nYou must use these "
        "frames to answer the multiple-choice question; do not rely on any externel knowledge or commonsense. \n\n"
        f"<question> \n{question} \n</question>\n\n<options> \n{lettered(options)} \n</options>\n\nEven if the "
        "information in these separate frames is not enough to answer the question, PLEASE TRY YOUR BEST TO GUESS AN "
        "ANSWER WHICH YOU THINK WOULD BE THE MOST POSSIBLE ONE BASED ON THE QUESTION. \n\nDO NOT GENERATE ANSWER SUCH "
        "AS 'NOT POSSIBLE TO DETERMINE.' \n"
    )


def tomato_marks(item: Item, prediction: str, reply: str | None) -> Sequence[Mark]:
    options = lettered(item.options)
    letter = tomato_option(prediction, options)
    if letter is None and reply is not None:
        letter = told_option(reply, options)
    return right_or_wrong(letter in item.golds, f"taken as {letter or 'none'}")


def judged_tomato(item: Item, prediction: str) -> Judging | None:
    options = lettered(item.options)
    return None if tomato_option(prediction, options) else option_question(item.question, options, prediction)


TOMATO = Benchmark(
    "tomato",
    "TOMATO",
    "yale-nlp/TOMATO: `data/*.json` and `videos/<demonstration type>/`",
    tomato_items,
    tomato_marks,
    percent_of(),
    judging=judged_tomato,
    rule_without_judge="an answer that is no lone letter and no `Answer is (A)` is wrong",
)
