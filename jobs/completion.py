"""``folioscope completion``: the script with which a shell completes commands and options."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from folioscope.jobs.command import Command
from folioscope.jobs.main import main

VARIABLE = "_FOLIOSCOPE_COMPLETE"  # click's name for it


@click.command(cls=Command)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print the completion script of a SHELL; source it, or put it where the shell looks.

    bash: eval "$(folioscope completion bash)" in ~/.bashrc

    zsh: eval "$(folioscope completion zsh)" in ~/.zshrc

    fish: folioscope completion fish > ~/.config/fish/completions/folioscope.fish
    """
    found = get_completion_class(shell)
    assert found is not None
    click.echo(found(main, {}, "folioscope", VARIABLE).source())
