"""Every setting of a run, declared once: type, limits, default, group of ``--help``, names and help text.

The command line and the settings file are made from these fields. What stands in a file of its own (questions,
passwords) and what people write in their own way (``6h``, ``read,answer``) is turned into values by ``spelling.py``.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict

from folioscope.pipeline.logs import LogFormat
from folioscope.pipeline.options import Group, Option
from folioscope.pipeline.settings.files import InputSettings, OutputSettings
from folioscope.pipeline.settings.limits import LimitSettings, PlanningSettings
from folioscope.pipeline.settings.models import ModelSettings


class RunSettings(PlanningSettings, LimitSettings, ModelSettings, OutputSettings, InputSettings):
    """The settings of a run as declared; the fields of the last base come first.

    Rules among them, and what follows from them: ``pipeline/config.py``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    log_format: Annotated[
        LogFormat, Option(Group.LOGGING, "Form of progress and messages on stderr: text lines or JSON objects.")
    ] = LogFormat.text
