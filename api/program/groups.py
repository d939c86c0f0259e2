"""Groups of commands. Each command's module is imported when the command is called: all of them together take many
times as long as most commands do, and every process that a command starts imports the main module again.
"""

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup

if TYPE_CHECKING:
    from typer._click import Command, Context


class Listed(NamedTuple):
    """A command as its group knows it: where its function is, ``module:function``, and what it does, in some words."""

    place: str
    short_help: str


Commands = Mapping[str, Listed]
"""Commands by their names."""


def group(commands: Commands, **texts: Any) -> typer.Typer:
    """A group of these commands, listed in their order."""
    return typer.Typer(cls=_of(commands), no_args_is_help=True, **PLAIN, **texts)


PLAIN: Mapping[str, Any] = {"add_completion": False, "rich_markup_mode": None}
"""Help and errors are plain text, in any encoding and width, and no library has to draw them."""


def _of(listed: Commands) -> type[TyperGroup]:
    class Group(TyperGroup):
        def __init__(self, *, commands: "dict[str, Command]", **texts: Any) -> None:
            # What stands here for a command has its name and what is said of it: for help, and for mistyped names.
            known = {name: TyperCommand(name, short_help=each.short_help) for name, each in listed.items()}
            super().__init__(commands={**known, **commands}, **texts)

        def resolve_command(self, ctx: "Context", args: list[str]) -> "tuple[str | None, Command | None, list[str]]":
            name, command, rest = super().resolve_command(ctx, args)
            if name is not None and name in listed:
                command = command_at(listed[name].place, name)
            return name, command, rest

    return Group


def command_at(place: str, name: str) -> "Command":
    """The command of this name. Imports its module."""
    module, _, function = place.partition(":")
    alone = typer.Typer(**PLAIN)
    alone.command(name)(getattr(import_module(module), function))
    return typer.main.get_command(alone)
