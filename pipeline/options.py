"""How a setting of a run is given: its group in ``--help``, its names and its help text.

Every field of :class:`~folioscope.pipeline.config.RunConfig` that a user may set carries an :class:`Option` among its
annotations. The command line (``jobs/options.py``) and the settings file (``jobs/settings_file.py``) are made from
these, so that type, default, limits and help stand in one place. Costs nothing but the look at the fields.
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from folioscope.pipeline.kinds import Media


class Group(StrEnum):
    """Groups of ``--help``, in its order."""

    INPUT = "Input"
    OUTPUT = "Output"
    MODEL = "Model"
    LIMITS = "Limits"
    PLANNING = "Planning"
    LOGGING = "Logging"


@dataclass(frozen=True, slots=True)
class Option:
    """What a field's annotation tells of it as an option.

    ``names`` are those on the command line; the first, without its dashes, is the key in a settings file. By default
    the field's own name. ``media`` is set where the option means something for documents or for videos alone.
    ``default`` says in words what an unset option comes to. ``repeatable`` options may be given several times, and are
    a list in a settings file. ``earlier`` names keep working for one version.
    """

    group: Group
    help: str
    names: tuple[str, ...] = ()
    metavar: str | None = None
    media: Media | None = None
    default: str | None = None
    repeatable: bool = False
    earlier: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Setting:
    """A field with its option. ``value_type`` is int, float, str or bool; ``choices`` are those of a Literal."""

    field: str
    option: Option
    names: tuple[str, ...]
    value_type: type
    choices: tuple[str, ...]
    required: bool
    default: object

    @property
    def key(self) -> str:
        """The name in a settings file."""
        return self.names[0].lstrip("-")

    @property
    def help(self) -> str:
        """The help text, with the default where there is one."""
        told = self.option.default
        if told is None and self.default not in (None, (), ""):
            told = _as_typed(self.default)
        return f"{self.option.help} [default: {told}]" if told else self.option.help


def settings_of(model: type[BaseModel]) -> Mapping[str, Setting]:
    """The settings of a configuration, by field, in the order in which they are declared."""
    found = ((name, _setting(name, field)) for name, field in model.model_fields.items())
    return {name: setting for name, setting in found if setting is not None}


def _setting(name: str, field: FieldInfo) -> Setting | None:
    option = next((item for item in field.metadata if isinstance(item, Option)), None)
    if option is None:
        return None
    value_type, choices = _type_of(field.annotation)
    default = None if field.is_required() else field.default
    return Setting(
        field=name,
        option=option,
        names=option.names or (f"--{name.replace('_', '-')}",),
        value_type=value_type,
        choices=choices,
        required=field.is_required(),
        default=default,
    )


def _type_of(annotation: Any) -> tuple[type, tuple[str, ...]]:
    """The type of one value, and its choices.

    What is neither a number nor a truth value is text, which the field's own validator understands.
    """
    if get_origin(annotation) in (Union, types.UnionType):
        annotation = next(part for part in get_args(annotation) if part is not type(None))
    if get_origin(annotation) is Literal:
        return str, tuple(map(str, get_args(annotation)))
    if isinstance(annotation, type) and issubclass(annotation, StrEnum):
        return str, tuple(annotation)
    if annotation in (int, float, bool):
        return annotation, ()
    return str, ()


def _as_typed(value: object) -> str:
    """A default as one would type it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
