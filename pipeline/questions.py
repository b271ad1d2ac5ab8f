"""Questions and passwords: small files that a run is given, from a disk or from any store that fsspec knows.

Read once, before Ray starts. An error names the file, the line and the key.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

import yaml
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from folioscope.model.protocol import Question
from folioscope.pipeline.errors import ConfigError
from folioscope.pipeline.storage.uris import redact

_KEYS = ("id", "question", "assets")
_EXPECTED = "a list of questions, each with the keys id and question, and assets where it is not asked of every file"


class QuestionSpec(BaseModel):
    """A question, and the glob of URIs it is asked of (None: every document)."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)

    id: str = Field(min_length=1)
    question: str = Field(min_length=1)
    assets: str | None = None

    def applies_to(self, uri: str) -> bool:
        """True where ``assets`` is unset, matches the whole URI, or matches its tail (``*.pdf``, ``leases/*``)."""
        return self.assets is None or fnmatchcase(uri, self.assets) or fnmatchcase(uri, f"*/{self.assets}")

    def ask(self) -> Question:
        return Question(self.id, self.question)


def load_questions(place: str | Path) -> tuple[QuestionSpec, ...]:
    """Questions from YAML, JSON (a list of objects) or CSV (a header row); keys id, question, optional assets.

    Scalars are taken as they are written: ``id: 1`` and ``id: yes`` are the texts ``1`` and ``yes``.

    Raises:
        ConfigError: the file cannot be read, or a row is not a question; names the file, the line and the key.
    """
    text, shown = _text_of(place)
    suffix = PurePosixPath(str(place)).suffix.lower()
    rows = {".csv": _csv_rows, ".json": _json_rows}.get(suffix, _yaml_rows)(text, shown)
    questions = [_question(row, f"{shown}, {where}") for where, row in rows]
    ids = [question.id for question in questions]
    if doubled := sorted({id_ for id_ in ids if ids.count(id_) > 1}):
        raise ConfigError(f"{shown}: ids must differ; given more than once: {', '.join(doubled)}")
    return tuple(questions)


def load_passwords(place: str | Path) -> tuple[SecretStr, ...]:
    """Passwords to try on encrypted files, one a line; empty lines are left out.

    Raises:
        ConfigError: the file cannot be read.
    """
    return tuple(SecretStr(line) for line in _text_of(place)[0].splitlines() if line)


def _text_of(place: str | Path) -> tuple[str, str]:
    """A small file's text, and its name as it may be printed."""
    import fsspec

    shown = redact(str(place))
    try:
        with fsspec.open(str(Path(place).expanduser() if "://" not in str(place) else place), "rb") as stream:
            content: bytes = stream.read()
        return content.decode("utf-8-sig"), shown
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{shown}: is not UTF-8 text ({error.reason} at byte {error.start}); save it as UTF-8"
        ) from error
    except Exception as error:
        words = "there is no such file" if isinstance(error, FileNotFoundError) else f"{type(error).__name__}: {error}"
        raise ConfigError(f"{shown}: cannot be read ({words})") from error


_Row = tuple[str, object]


def _yaml_rows(text: str, shown: str) -> Iterator[_Row]:
    """Rows with their lines. Scalars stay as they are written: no ``yes`` becomes a truth value."""
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        where = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise ConfigError(f"{shown}{where}: is not valid YAML ({error.problem})") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigError(f"{shown}: is not valid YAML ({' '.join(str(error).split())})") from error
    if not isinstance(node, yaml.SequenceNode):
        raise ConfigError(f"{shown}: must be {_EXPECTED}")
    for item in node.value:
        row = (
            {_scalar(key): _scalar(value) for key, value in item.value} if isinstance(item, yaml.MappingNode) else None
        )
        yield f"line {item.start_mark.line + 1}", row


def _scalar(node: yaml.Node) -> object:
    if not isinstance(node, yaml.ScalarNode):
        return []
    return None if node.tag == "tag:yaml.org,2002:null" else node.value


def _json_rows(text: str, shown: str) -> Iterator[_Row]:
    try:
        rows = json.loads(text)
    except json.JSONDecodeError as error:
        raise ConfigError(f"{shown}, line {error.lineno}: is not valid JSON ({error.msg})") from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{shown}: is not valid JSON ({error})") from error
    if not isinstance(rows, list):
        raise ConfigError(f"{shown}: must be {_EXPECTED}")
    for number, row in enumerate(rows, start=1):
        yield f"question {number}", row


def _csv_rows(text: str, shown: str) -> Iterator[_Row]:
    reader = csv.DictReader(io.StringIO(text), strict=True)
    try:
        for row in reader:
            if None in row:
                raise ConfigError(f"{shown}, line {reader.line_num}: has more cells than the header row")
            yield f"line {reader.line_num}", row
    except csv.Error as error:
        raise ConfigError(f"{shown}, line {reader.line_num}: is not valid CSV ({error})") from error


def _question(row: object, where: str) -> QuestionSpec:
    if not isinstance(row, dict):
        raise ConfigError(f"{where}: must be a question with the keys id and question")
    if unknown := sorted(str(key) for key in row if key not in _KEYS):
        raise ConfigError(f"{where}: there is no key {', '.join(unknown)}; the keys are {', '.join(_KEYS)}")
    texts: dict[str, str] = {}
    for key, value in row.items():
        if isinstance(value, dict | list):
            raise ConfigError(f"{where}: {key} must be a text, not a list or a mapping")
        text = "" if value is None else _as_written(value)
        if text.strip():
            texts[key] = text.strip()
    for key in ("id", "question"):
        if key not in texts:
            raise ConfigError(f"{where}: {key} is missing or empty")
    return QuestionSpec(id=texts["id"], question=texts["question"], assets=texts.get("assets"))


def _as_written(value: object) -> str:
    """A scalar as it is written; JSON's ``true`` is not Python's ``True``."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
