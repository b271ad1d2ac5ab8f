"""Write the report of an output: data in pieces first, then the one page that names them.

Everything of one report lies in a folder of its own, ``files-<stamp>``; ``index.html`` is written last and names it, so
that a reader sees the report before or the report after. Folders of older reports are then deleted.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import resources
from typing import Any

from pipeline.failures import MEANING, RETRYABLE, Reason
from pipeline.report.archive import PublishedArchive, Row
from pipeline.report.documents import SEGMENTS_A_PIECE, Digest, evidence_of, write_content
from pipeline.report.pieces import SiteFiles, write_typed
from pipeline.report.search_index import SearchIndex
from pipeline.store import OutputStore

ROWS_A_PIECE = 500
RUNS_SHOWN = 200
INDEX = "index.html"

_FILES = """
    SELECT uri, asset_id, kind, status, reason, title, page_count, shot_count, duration_s, size FROM chosen ORDER BY uri
"""
_FAILURES = """
    SELECT f.uri, c.asset_id, c.kind, f.stage, f.segment, f.question_id, f.message, f.attempts
    FROM failures AS f LEFT JOIN contents AS c USING (asset_id)
    WHERE f.reason = $1 ORDER BY f.uri, stage, segment, question_id
"""
_RUNS = """
    SELECT c.run_id, c.started_at, c.finished_at, c.pages, c.pages_failed, c.wall_seconds, c.pages_per_second,
           c.input_tokens, c.output_tokens, c.busy_seconds, c.idle_seconds, c.busy_share, c.cost, c.cost_per_1000_pages,
           r.arguments, r.assets, r.segments, r.summaries, r.answers,
           (SELECT avg(layer_agreement) FROM all_segments AS s WHERE s.run_id = c.run_id) AS agreement
    FROM cost_by_run AS c JOIN runs AS r USING (run_id) ORDER BY run_id DESC LIMIT $1
"""


@dataclass(frozen=True, slots=True)
class Report:
    """What was written: where, and how much of the archive it shows."""

    index: str
    files: int
    shown: int
    segments: int


def write_report(output: OutputStore, site: OutputStore, limit: int) -> Report:
    """Write the site of ``output`` below ``site``.

    Raises:
        ManifestError, ReportError: there is nothing to show; the message says what to do.
        OutputError: the site's place cannot be written. A report that was there before stays.
    """
    archive = PublishedArchive(output, limit)
    try:
        stamp = f"{archive.manifest.run_id}-{uuid.uuid4().hex[:6]}"
        folder = f"files-{stamp}"
        with SiteFiles(site, folder) as files:
            _write_program(files)
            overview = _write_data(archive, files)
            files.piece("site", {**overview, "generated_at": datetime.now(UTC), "run_id": archive.manifest.run_id})
    finally:
        archive.close()
    write_typed(site, INDEX, _program("index.html").replace(b"{{folder}}", folder.encode()))
    for name in _older_folders(site, folder):
        site.delete_folder(name)
    return Report(f"{site.name}/{INDEX}", overview["files"], overview["shown"], overview["segments"])


def _write_program(files: SiteFiles) -> None:
    for entry in resources.files("pipeline.report").joinpath("web").iterdir():
        if entry.name.endswith((".js", ".css")):
            files.put(f"app/{entry.name}", entry.read_bytes())


def _program(name: str) -> bytes:
    return resources.files("pipeline.report").joinpath("web", name).read_bytes()


def _older_folders(site: OutputStore, present: str) -> list[str]:
    site.filesystem.invalidate_cache()
    listed = site.filesystem.ls(site.full(""), detail=False)
    names = [str(path).rstrip("/").rpartition("/")[2] for path in listed]
    return [name for name in names if name.startswith("files-") and name != present]


def _write_data(archive: PublishedArchive, files: SiteFiles) -> Row:
    index = SearchIndex(archive.db)
    digests: dict[str, Digest] = {}
    contents: list[list[Any]] = []
    for content in archive.contents():
        row = content.row
        digests[row["asset_id"]] = write_content(content, files, index)
        contents.append([row["asset_id"], row["uri"], row["title"], row["kind"]])
    files.pieces("contents", contents, ROWS_A_PIECE)
    buckets: list[str] = []
    for name, words in index.pieces():
        files.piece(f"search/{name}", words)
        buckets.append(name)
    shown = files.pieces("assets", _files(archive, digests), ROWS_A_PIECE)
    failures, reasons = _write_failures(archive, files)
    _, questions = _write_answers(archive, files)
    runs = archive.rows(_RUNS, [RUNS_SHOWN])
    files.piece("runs", runs[::-1])
    return {
        "output": archive.store.name,
        "files": archive.rows("SELECT count(*) AS n FROM current_assets")[0]["n"],
        "shown": shown,
        "segments": sum(digest.segments for digest in digests.values()),
        "statuses": _tally(archive, "status"),
        "kinds": _tally(archive, "coalesce(kind, 'other')"),
        "rows_a_piece": ROWS_A_PIECE,
        "segments_a_piece": SEGMENTS_A_PIECE,
        "contents": len(contents),
        "buckets": buckets,
        "failures": failures,
        "reasons": reasons,
        "questions": questions,
    }


def _files(archive: PublishedArchive, digests: dict[str, Digest]) -> Iterator[Row]:
    empty = Digest()
    for row in archive.rows(_FILES):
        yield row | digests.get(row["asset_id"] or "", empty).row()


def _tally(archive: PublishedArchive, expression: str) -> dict[str, int]:
    """How many of the shown files are of each kind or state."""
    rows = archive.rows(f"SELECT {expression} AS name, count(*) AS n FROM chosen GROUP BY ALL ORDER BY n DESC, name")
    return {row["name"]: row["n"] for row in rows}


def _write_failures(archive: PublishedArchive, files: SiteFiles) -> tuple[int, list[Row]]:
    """All failures, those of a reason side by side; (how many, the reasons with where theirs begin)."""
    reasons = archive.rows(
        "SELECT reason, count(*) AS count, count(DISTINCT uri) AS files FROM failures GROUP BY reason "
        "ORDER BY count DESC, reason"
    )
    begin = 0
    for reason in reasons:
        known = Reason(reason["reason"]) if reason["reason"] in set(Reason) else None
        reason |= {
            "begin": begin,
            "meaning": MEANING[known].replace("`", "") if known else None,
            "retryable": known in RETRYABLE,
        }
        begin += reason["count"]

    def rows() -> Iterator[Row]:
        for reason in reasons:
            yield from archive.rows(_FAILURES, [reason["reason"]])

    return files.pieces("failures", rows(), ROWS_A_PIECE), reasons


def _write_answers(archive: PublishedArchive, files: SiteFiles) -> tuple[int, list[Row]]:
    """All answers that were found, by question, the surest first; (how many, the questions)."""
    questions = archive.rows(
        """
        SELECT question_id, any_value(question) AS question, count(*) AS asked,
               count(*) FILTER (answerable) AS count,
               count(*) FILTER (answerable AND len(list_filter(evidence, lambda e: e.verified)) > 0) AS verified
        FROM of_answers GROUP BY question_id ORDER BY question_id
        """
    )
    begin = 0
    for question in questions:
        question["begin"] = begin
        begin += question["count"]

    def rows() -> Iterator[Row]:
        for question in questions:
            found = archive.rows(
                """
                SELECT c.uri, a.asset_id, c.kind, a.answer, a.score, a.evidence
                FROM of_answers AS a JOIN contents AS c USING (asset_id)
                WHERE answerable AND question_id = $1 ORDER BY score DESC NULLS LAST, uri
                """,
                [question["question_id"]],
            )
            for row in found:
                score = row["score"]
                yield row | {
                    "score": None if score is None else round(score, 3),
                    "evidence": evidence_of(row["evidence"])[:1],
                }

    return files.pieces("answers", rows(), ROWS_A_PIECE), questions
