"""From the settings of a run to command-line options, and back from what was typed to a configuration.

The options of ``folioscope read`` and ``plan`` and of the two jobs are made from ``pipeline/settings/``; what only a
command knows (``--config``, ``--plan``) is declared here, once. A settings file gives what options leave out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import click

from folioscope.jobs.command import Command, GroupedOption, renamed
from folioscope.jobs.settings_file import Values, find_settings_file, load_settings
from folioscope.pipeline.config import SETTINGS, RunConfig, parse_config
from folioscope.pipeline.kinds import Media
from folioscope.pipeline.logs import LogFormat, configure_logs, log_info
from folioscope.pipeline.options import Group, Setting
from folioscope.pipeline.settings.files import NO_OUTPUT

_EARLIER = "earlier_"
GROUPS = list(Group)
CONFIG = GroupedOption(
    ["--config"],
    group=Group.INPUT,
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Settings file; options override it. [default: folioscope.toml in this folder, where there is one]",
)
PLAN = GroupedOption(
    ["--plan"], group=Group.PLANNING, is_flag=True, help="Print what a run would do and what it would cost, and stop."
)
PLAN_JSON = GroupedOption(
    ["--plan-json"], group=Group.PLANNING, is_flag=True, help="Print the plan as one line of JSON, and stop."
)
Typed = Mapping[str, object]  # what click hands over: a value for each option, None where it was not typed


def run_command(
    name: str,
    callback: Callable[..., None],
    *,
    help: str,
    epilog: str,
    media: Media | None = None,
    positional: bool = False,
    extra: Sequence[click.Parameter] = (),
) -> Command:
    """A command with the options of a run; with ``media`` only those that mean something there.

    ``positional`` takes the inputs as arguments instead of ``--input``.
    """
    parameters: list[click.Parameter] = []
    for setting in SETTINGS.values():
        if media and (setting.option.media not in (None, media) or setting.field == "kinds"):
            continue
        if positional and setting.field == "inputs":
            parameters.append(click.Argument(["inputs"], nargs=-1, metavar="INPUT..."))
        else:
            parameters += _options(setting)
    every = [*parameters, CONFIG, *extra]
    every.sort(key=lambda parameter: GROUPS.index(getattr(parameter, "group", Group.INPUT)))
    return Command(name, params=every, callback=callback, help=help, epilog=epilog)


def _options(setting: Setting) -> list[click.Parameter]:
    option = setting.option
    names = [*setting.names, setting.field]
    if setting.value_type is bool:
        return [
            GroupedOption(
                [f"{setting.names[0]}/--no-{setting.key}", setting.field],
                group=option.group,
                default=None,
                help=setting.help,
            )
        ]
    value_type = click.Choice(setting.choices) if setting.choices else click.types.convert_type(setting.value_type)
    text = f"{setting.help} Required." if setting.required else setting.help
    shown = GroupedOption(
        names, group=option.group, type=value_type, multiple=option.repeatable, metavar=option.metavar, help=text
    )
    earlier = [
        GroupedOption([name, f"{_EARLIER}{setting.field}"], group=option.group, type=value_type, hidden=True)
        for name in option.earlier
    ]
    return [shown, *earlier]


def config_from(typed: Typed, *, positional: bool = False, **fixed: object) -> RunConfig:
    """The configuration of a run: what was typed, else the settings file's, else the defaults; ``fixed`` stands.

    ``positional``: inputs are arguments, and no output means that what is read is printed. Sets the form of the logs on
    the way, so that what is wrong with the rest is told in it.

    Raises:
        ConfigError: one line for each value that is wrong, under the name by which it was given.
    """
    given = {field: typed[field] for field in SETTINGS if typed.get(field) not in (None, ())}
    if given.get("log_format") == LogFormat.json:
        configure_logs(LogFormat.json)
    for field, setting in SETTINGS.items():
        value = typed.get(_EARLIER + field)
        if value is not None:
            log_info(renamed(setting.option.earlier[0], setting.names[0]))
            given.setdefault(field, value)
    asked = typed.get("config")
    path = find_settings_file(asked if isinstance(asked, Path) else None)
    settings: Values = load_settings(path) if path else {}
    if path:
        log_info(f"settings are read from {path}", "settings", file=str(path), keys=sorted(settings))

    def naming(field: str) -> str:
        setting = SETTINGS.get(field)
        if setting is None:
            return field
        if field in settings and field not in given:
            return f"{path}: {setting.key}"
        return "INPUT" if positional and field == "inputs" else setting.names[0]

    defaults = {"output": NO_OUTPUT} if positional else {}
    config = parse_config(naming, **{**defaults, **settings, **given, **fixed})
    configure_logs(config.log_format)
    return config
