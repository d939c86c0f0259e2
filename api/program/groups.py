"""Groups of commands. Each command's module is imported when the command is asked for: all of them together take many
times as long as most commands do, and every process that a command starts imports the main module again.
"""

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperCommand, TyperGroup

if TYPE_CHECKING:
    from typer._click import Command, Context

Places = Mapping[str, str]
"""The names of commands, and where the function of each is: ``module:function``."""


def group(places: Places, **texts: Any) -> typer.Typer:
    """A group of the commands at these places, listed in their order."""
    return typer.Typer(cls=_at(places), no_args_is_help=True, add_completion=False, **texts)


def _at(places: Places) -> type[TyperGroup]:
    class Group(TyperGroup):
        def __init__(self, *, commands: "dict[str, Command]", **texts: Any) -> None:
            # What stands here for a command has its name alone: it suggests names for mistyped ones.
            super().__init__(commands={**{name: TyperCommand(name) for name in places}, **commands}, **texts)

        def get_command(self, ctx: "Context", cmd_name: str) -> "Command | None":
            place = places.get(cmd_name)
            return super().get_command(ctx, cmd_name) if place is None else command_at(place, cmd_name)

    return Group


def command_at(place: str, name: str) -> "Command":
    """The command of this name. Imports its module."""
    module, _, function = place.partition(":")
    alone = typer.Typer(add_completion=False)
    alone.command(name)(getattr(import_module(module), function))
    return typer.main.get_command(alone)
