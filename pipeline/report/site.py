"""Write the report of an output: data in pieces first, then the one page that names them.

Everything of one report lies in a folder of its own, ``files-<stamp>``; ``index.html`` is written last and names it, so
that a reader sees the report before or the report after. Folders of older reports are then deleted.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import resources
from typing import Any

from folioscope.pipeline.failures import MEANING, RETRYABLE, Reason
from folioscope.pipeline.report.archive import Content, PublishedArchive, Row
from folioscope.pipeline.report.documents import SEGMENTS_A_PIECE, Digest, evidence_of, folder_of, write_content
from folioscope.pipeline.report.pieces import SiteFiles, write_typed
from folioscope.pipeline.report.search_index import SearchIndex
from folioscope.pipeline.report.shares import even_shares
from folioscope.pipeline.report.sharp import SharpCount, SharpLimits, SharpPictures
from folioscope.pipeline.storage.download_cache import DownloadCache
from folioscope.pipeline.storage.store import OutputStore
from folioscope.pipeline.tables.problems import SkippedFiles, group_skipped, skipped_words

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
           r.arguments, r.error_bounds, r.assets, r.segments, r.summaries, r.answers,
           (SELECT avg(layer_agreement) FROM all_segments AS s WHERE s.run_id = c.run_id) AS agreement
    FROM cost_by_run AS c JOIN runs AS r USING (run_id) ORDER BY run_id DESC LIMIT $1
"""
_UNREAD_INSIDE = """
    SELECT held.kind AS kind, false AS beyond_limit, true AS inside, count(*) AS count,
           coalesce(nullif(lower(regexp_extract(held.name, '\\.[^./]+$')), ''), 'none') AS name
    FROM (SELECT unnest(attachments) AS held FROM current_assets WHERE status <> 'skipped')
    WHERE held.reason = 'unsupported_type' GROUP BY ALL ORDER BY kind, count DESC, name
"""


@dataclass(frozen=True, slots=True)
class Report:
    """What was written: where, and how much of the archive it shows."""

    index: str
    files: int
    shown: int
    segments: int
    sharp: SharpCount


def write_report(
    output: OutputStore,
    site: OutputStore,
    limit: int,
    sharp: SharpLimits | None = None,
    passwords: tuple[str, ...] = (),
) -> Report:
    """Write the site of ``output`` below ``site``. ``sharp`` has pages drawn anew from the original files, within it.

    Raises:
        ManifestError, ReportError: there is nothing to show; the message says what to do.
        OutputError: the site's place cannot be written. A report that was there before stays.
    """
    archive = PublishedArchive(output, limit)
    count = SharpCount()
    try:
        stamp = f"{archive.manifest.run_id}-{uuid.uuid4().hex[:6]}"
        folder = f"files-{stamp}"
        with SiteFiles(site, folder) as files:
            _write_program(files)
            with _drawing(archive, sharp, passwords) as pictures:
                overview, stemmers = _write_data(archive, files, pictures)
                count = pictures.count if pictures else count
            files.piece("site", {**overview, "generated_at": datetime.now(UTC), "run_id": archive.manifest.run_id})
    finally:
        archive.close()
    tags = "".join(f'<script defer src="{{{{folder}}}}/app/{name}"></script>\n' for name in stemmers)
    page = _program("index.html").replace(b"{{stemmers}}", tags.encode())
    write_typed(site, INDEX, page.replace(b"{{folder}}", folder.encode()))
    for name in _older_folders(site, folder):
        site.delete_folder(name)
    return Report(f"{site.name}/{INDEX}", overview["files"], overview["shown"], overview["segments"], count)


def _drawing(
    archive: PublishedArchive, limits: SharpLimits | None, passwords: tuple[str, ...]
) -> AbstractContextManager[SharpPictures | None]:
    if limits is None:
        return nullcontext()
    counts = archive.segment_counts()
    shares = even_shares([count for _, count in counts], limits.pages)
    shared = dict(zip((asset_id for asset_id, _ in counts), shares, strict=True))
    return SharpPictures(shared, limits, passwords, DownloadCache())


def _write_program(files: SiteFiles) -> None:
    for entry in resources.files("folioscope.pipeline.report").joinpath("web").iterdir():
        if entry.name.endswith((".js", ".css")):
            files.put(f"app/{entry.name}", entry.read_bytes())


def _write_stemmers(files: SiteFiles, algorithms: list[str]) -> list[str]:
    """The stemmers of the archive's languages, as Snowball makes them; their names."""
    names = [f"{algorithm}-stemmer.js" for algorithm in ("base", *algorithms)] if algorithms else []
    for name in names:
        files.put(f"app/{name}", _program(f"stemmers/{name}"))
    return names


def _program(name: str) -> bytes:
    return resources.files("folioscope.pipeline.report").joinpath("web", *name.split("/")).read_bytes()


def _older_folders(site: OutputStore, present: str) -> list[str]:
    return [name for name in site.folders("") if name.startswith("files-") and name != present]


def _write_data(archive: PublishedArchive, files: SiteFiles, pictures: SharpPictures | None) -> tuple[Row, list[str]]:
    """The overview that is loaded first, and the names of the stemmers' scripts."""
    index = SearchIndex()
    digests: dict[str, Digest] = {}
    contents: list[list[Any]] = []
    for content in archive.contents():
        row = content.row
        digests[row["asset_id"]] = _write_content(content, files, index, pictures)
        contents.append([row["asset_id"], row["uri"], row["title"], row["kind"]])
    files.pieces("contents", contents, ROWS_A_PIECE)
    buckets: list[str] = []
    for name, terms in index.pieces():
        files.piece(f"search/{name}", terms)
        buckets.append(name)
    files.piece("searched", index.rows())
    shown = files.pieces("assets", _files(archive, digests), ROWS_A_PIECE)
    failures, reasons = _write_failures(archive, files)
    _, questions = _write_answers(archive, files)
    runs = archive.rows(_RUNS, [RUNS_SHOWN])
    files.piece("runs", runs[::-1])
    overview = {
        "output": archive.store.name,
        "files": archive.rows("SELECT count(*) AS n FROM current_assets")[0]["n"],
        "shown": shown,
        "segments": sum(digest.segments for digest in digests.values()),
        "statuses": _tally(archive, "status"),
        "kinds": _tally(archive, "coalesce(kind, 'other')"),
        "rows_a_piece": ROWS_A_PIECE,
        "segments_a_piece": SEGMENTS_A_PIECE,
        "contents": len(contents),
        "search": index.overview(buckets),
        "failures": failures,
        "reasons": reasons,
        "not_read": _not_read(archive),
        "bound": next((_bound(run) for run in runs if run["error_bounds"]), None),
        "questions": questions,
    }
    return overview, _write_stemmers(files, index.algorithms())


def _bound(run: Row) -> Row:
    """The error bound of a run for the first view, without that of each folder."""
    whole = [bound for bound in run["error_bounds"] if bound["folder"] is None]
    return {"started_at": run["started_at"], "error_bounds": whole}


def _write_content(content: Content, files: SiteFiles, index: SearchIndex, pictures: SharpPictures | None) -> Digest:
    if pictures is None:
        return write_content(content, files, index, None)
    folder = folder_of(content.row["asset_id"])

    def put(number: int, picture: bytes) -> None:
        files.put(f"{folder}/{number}-sharp.webp", picture)

    with pictures.of(content, put) as drawn:
        return write_content(content, files, index, drawn)


def _files(archive: PublishedArchive, digests: dict[str, Digest]) -> Iterator[Row]:
    empty = Digest()
    for row in archive.rows(_FILES):
        yield row | digests.get(row["asset_id"] or "", empty).row()


def _tally(archive: PublishedArchive, expression: str) -> dict[str, int]:
    """How many of the shown files are of each kind or state."""
    rows = archive.rows(f"SELECT {expression} AS name, count(*) AS n FROM chosen GROUP BY ALL ORDER BY n DESC, name")
    return {row["name"]: row["n"] for row in rows}


def _not_read(archive: PublishedArchive) -> list[str]:
    """Why files of the archive were not read though nothing failed, a phrase each."""
    skipped = archive.rows(
        """
        SELECT kind, false AS beyond_limit, count(*) AS count,
               coalesce(nullif(lower(regexp_extract(uri, '\\.[^./]+$')), ''), 'none') AS name
        FROM current_assets WHERE status = 'skipped' GROUP BY ALL ORDER BY kind, count DESC, name
        """
    )
    if archive.rows("SELECT 1 FROM (DESCRIBE current_assets) WHERE column_name = 'parent_uri'"):
        skipped += archive.rows(_UNREAD_INSIDE)
    waiting = archive.rows(
        "SELECT coalesce(reason, 'not reached') AS reason, count(*) AS count FROM current_assets "
        "WHERE status = 'pending' GROUP BY ALL ORDER BY count DESC, reason"
    )
    phrases = [skipped_words([group]) for group in group_skipped(SkippedFiles(**row) for row in skipped)]
    phrases += [f"{row['count']:,} left to the next run ({row['reason'].replace('_', ' ')})" for row in waiting]
    return phrases


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
    """All answers that were found, by question, the surest first, of equals those of whole files; (how many, the
    questions)."""
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
                WHERE answerable AND question_id = $1
                ORDER BY score DESC NULLS LAST, c.status <> 'done', uri
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
