"""How the commands speak: results on standard output as they are, remarks on standard error.

Here belong the consoles and the making of command groups; what is said stands in the commands.
"""

from __future__ import annotations

import typer
from rich.console import Console

#: Tables with long codes are not squeezed below this width, in characters.
WIDE = 118

console = Console()


def group(about: str | None = None) -> typer.Typer:
    """A group of commands; without words of its own its commands stand in the group it is added to."""
    return typer.Typer(
        help=about,
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )


def wide_console() -> Console:
    """For tables of many columns."""
    return Console(width=max(console.width, WIDE))


def say(text: str) -> None:
    """Print a line as it is, without markup."""
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def note(text: str) -> None:
    """A line beside the result, on standard error."""
    Console(stderr=True).print(text, markup=False, highlight=False, soft_wrap=True)
