"""Replicas that other packages bring: by the name of an entry point, or as ``package.module:Replica``.

Such a replica is a class (or function) that takes no arguments and carries a ``description``. The driver imports it to
read that; each actor imports and calls it. Finding one costs the import of its module. See ``docs/extending.md``.
"""

from __future__ import annotations

import difflib
import importlib
import os
import re
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final, cast

from folioscope.model.choice import ChoiceError
from folioscope.model.protocol import Replica, ReplicaDescription, Task

GROUP: Final = "folioscope.replicas"
HELP: Final = "see docs/extending.md"
_NAME = r"[^\W\d]\w*(?:\.[^\W\d]\w*)*"
_PLACE = re.compile(rf"({_NAME}):({_NAME})")
# What the pipeline calls for each task.
_METHODS: Final[dict[Task, tuple[str, ...]]] = {
    "read": ("read",),
    "summarize": ("understand",),
    "answer": ("understand",),
}


def installed() -> tuple[str, ...]:
    """The names of replicas that installed packages bring."""
    return tuple(sorted(entry_points(group=GROUP).names))


def is_custom(name: str) -> bool:
    """Whether a model's name is ``package.module:Replica`` or that of an installed replica."""
    return _PLACE.fullmatch(name) is not None or ("/" not in name and name in installed())


def nearest(name: str, known: Sequence[str]) -> str | None:
    """The known name that was likely meant."""
    return next(iter(difflib.get_close_matches(name, known, 1)), None)


def describe_custom(name: str) -> ReplicaDescription:
    """The description that a replica carries.

    Raises:
        ChoiceError: it is not there or is no replica; the message says what to do.
    """
    return cast(ReplicaDescription, _find(name).description)


def load_custom(name: str, *given: object) -> Replica:
    """A replica of another package, made with what is ``given``.

    Raises :class:`ChoiceError`, and whatever its class raises.
    """
    return cast(Callable[..., Replica], _find(name))(*given)


def _find(name: str) -> Any:
    found = _imported(name)
    description = getattr(found, "description", None)
    if not callable(found) or not isinstance(description, ReplicaDescription):
        raise ChoiceError(
            f"--model {name}: it is no replica: it needs an attribute description, a ReplicaDescription of "
            f"folioscope.model.protocol, and to be called without arguments; {HELP}"
        )
    wanted = dict.fromkeys(method for task in description.tasks for method in _METHODS[task])
    absent = [method for method in wanted if isinstance(found, type) and not hasattr(found, method)]
    if absent:
        raise ChoiceError(
            f"--model {name}: it lacks {' and '.join(absent)}, which its tasks ({', '.join(description.tasks)}) need; "
            f"write {'it' if len(absent) == 1 else 'them'}, or name fewer tasks in its description; {HELP}"
        )
    if description.name.startswith("embedded"):  # readers of rows know by it what does not invent
        raise ChoiceError(f"--model {name}: its description's name begins with embedded; give it a name of its own")
    return found


def _imported(name: str) -> Any:
    place = _PLACE.fullmatch(name)
    if place is None:
        return _loaded(name, next(iter(entry_points(group=GROUP, name=name))))
    module_name, attribute = place.groups()
    here = os.getcwd()
    if here not in sys.path:
        sys.path.append(here)  # what is installed comes first; a module beside the archive is found, too
    try:
        found = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise ChoiceError(f"--model {name}: {module_name} needs {error.name}: install it") from error
        raise ChoiceError(
            f"--model {name}: there is no module {error.name} here: install its package, or run the command in the "
            "folder that holds it (on a cluster, where --working-dir puts it)"
        ) from error
    except Exception as error:  # whatever a module raises while it is imported
        raise ChoiceError(f"--model {name}: importing {module_name} raised {_words(error)}") from error
    for part in attribute.split("."):
        if not hasattr(found, part):
            near = nearest(part, [known for known in dir(found) if not known.startswith("_")])
            meant = f"; did you mean {near}?" if near else ""
            raise ChoiceError(f"--model {name}: {module_name} has no {attribute}{meant}")
        found = getattr(found, part)
    return found


def _loaded(name: str, entry: EntryPoint) -> Any:
    try:
        return entry.load()
    except Exception as error:  # whatever a module raises while it is imported
        package = f"the package {entry.dist.name}" if entry.dist else "a package"
        raise ChoiceError(
            f"--model {name}: {package} brings it as {entry.value}, which cannot be loaded ({_words(error)}); mend or "
            "remove that package"
        ) from error


def _words(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())
