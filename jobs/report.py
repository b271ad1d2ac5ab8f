#!/usr/bin/env python3
"""Write a published output as a static site that opens from a disk or a bucket, with no server.

folioscope report OUTPUT
folioscope report s3://bucket/tables --to s3://bucket/site
folioscope report OUTPUT --sharp-pages 5000 --password-file demo/passwords.txt
"""

from __future__ import annotations

import sys
from pathlib import Path

import click

if __package__ in (None, ""):  # started as a file: the project's packages lie beside this folder
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from folioscope.jobs.command import Command, renamed
from folioscope.pipeline.logs import counted, log_info
from folioscope.pipeline.questions import load_passwords
from folioscope.pipeline.report.sharp import SharpCount, SharpLimits
from folioscope.pipeline.report.site import write_report
from folioscope.pipeline.storage.store import OutputStore

EPILOG = "Exit codes: 0 written, or compared; 1 the tables or runs cannot be read, or the site's place not be written."


@click.command(cls=Command, epilog=EPILOG)
@click.argument("output")
@click.option("--to", metavar="URI", help="Folder or URI of the site. [default: OUTPUT/report]")
@click.option(
    "--limit", type=click.IntRange(min=1), default=10_000, show_default=True, help="Show the first N files by path."
)
@click.option(
    "--sharp-pages",
    type=click.IntRange(min=0),
    default=SharpLimits().pages,
    show_default=True,
    help="Draw up to N pages and shots from the original files, as large as they were read.",
)
@click.option("--password-file", metavar="FILE", help="File or URL of passwords to try on encrypted PDFs, one a line.")
@click.option("--compare", nargs=2, metavar="RUN RUN", hidden=True)
def command(
    output: str,
    to: str | None,
    limit: int,
    sharp_pages: int,
    password_file: str | None,
    compare: tuple[str, str] | None,
) -> None:
    """Write what is published in OUTPUT as a site: files, pages, shots, failures, answers and runs."""
    if compare:
        from folioscope.jobs.compare_runs import compare as compare_runs

        log_info(renamed("--compare", "the command folioscope compare"))
        compare_runs(output, *compare)
        return
    tables = OutputStore(output)
    site = OutputStore(to or f"{tables.uri}/report")
    passwords = tuple(one.get_secret_value() for one in load_passwords(password_file)) if password_file else ()
    written = write_report(tables, site, limit, SharpLimits(sharp_pages) if sharp_pages else None, passwords)
    if written.shown < written.files:
        log_info(f"The report shows {written.shown:,} of {counted(written.files, 'file')}; --limit takes more.")
    index = Path(written.index).resolve().as_uri() if site.is_local else written.index
    files, segments = counted(written.shown, "file"), counted(written.segments, "page or shot", "pages and shots")
    _tell_sharp(written.sharp)
    click.echo(f"report: {files}, {segments}. Open this file in a browser:")
    click.echo(index)


def _tell_sharp(count: SharpCount) -> None:
    """How many pages are drawn as large as they were read, and why others are not."""
    if count.drawn:
        many = counted(count.drawn, "page or shot", "pages and shots")
        log_info(f"{many} drawn from the original files, as large as they were read ({count.bytes / 1e6:.1f} MB).")
    for words, pages in count.kept.most_common():
        log_info(f"{counted(pages, 'page or shot', 'pages and shots')} with the small picture: {words}.")


if __name__ == "__main__":
    command()
