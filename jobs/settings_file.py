"""The settings file: what a nightly job repeats, in TOML, under the names that the options have.

    input = ["s3://archive"]
    output = "s3://tables"
    replicas = 8
    password-file = "passwords.txt"

Paths are taken as on the command line: from the folder in which the command runs.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from datetime import date, datetime
from pathlib import Path

from folioscope.pipeline.config import SETTINGS
from folioscope.pipeline.errors import ConfigError

FILE_NAME = "folioscope.toml"
Values = Mapping[str, object]


def find_settings_file(asked: Path | None) -> Path | None:
    """The file that was asked for, else ``folioscope.toml`` in the current folder, else None."""
    if asked is not None:
        return asked
    here = Path(FILE_NAME)
    return here if here.is_file() else None


def load_settings(path: Path) -> Values:
    """Values by field of the configuration.

    Raises:
        ConfigError: the file cannot be read, or holds a key that is none; names the file and the key.
    """
    try:
        content = tomllib.loads(path.expanduser().read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"--config {path}: cannot be read ({error.strerror or error})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"--config {path}: is not valid TOML ({error})") from error
    fields = {setting.key: field for field, setting in SETTINGS.items()}
    values: dict[str, object] = {}
    for key, value in content.items():
        name = key.replace("_", "-")
        if name not in fields:
            near = difflib.get_close_matches(name, fields, 1)
            advice = f"did you mean {near[0]}?" if near else f"the keys are {', '.join(fields)}"
            raise ConfigError(f"{path}: there is no setting {key}; {advice}")
        field = fields[name]
        if SETTINGS[field].option.repeatable and isinstance(value, str):
            value = [value]
        # A moment without a zone is local time, as on the command line.
        values[field] = value.isoformat() if isinstance(value, datetime | date) else value
    return values
