"""The command line: `wvb`, one subcommand for each arrow of the data flow, with no ideas of its own.

A command reads its arguments, calls one function of the library and prints where the result lies. Errors about
input are one line on standard error and exit code 1; a wrong call exits with 2, an interrupt with 130; bugs keep their
traceback.
"""

import errno
import io
import sys
from collections.abc import Sequence
from importlib import import_module

import click

from worldvaluesbench._io import printable
from worldvaluesbench._version import __version__
from worldvaluesbench.errors import WorldValuesBenchError

COMMANDS = {
    "items": "survey",
    "inspect": "survey",
    "synthetic": "survey",
    "build": "benchmark",
    "examples": "benchmark",
    "export": "benchmark",
    "verify": "benchmark",
    "probe": "benchmark",
    "prompt": "prompt",
    "plan": "ask",
    "ask": "ask",
    "batch": "batch",
    "import-answers": "batch",
    "baseline": "baseline",
    "score": "scoring",
    "compare": "comparing",
    "figures": "reporting",
    "tables": "reporting",
    "report": "reporting",
    "bundle": "reporting",
    "show": "showing",
    "run": "ask",
    "mock-server": "mock",
    "demo": "demo",
}
"""Every command, in the order of the data flow, and the module of this package that holds it."""


INTERRUPTED = 130


class Commands(click.Group):
    """The commands, each imported when it is called: `wvb score` need not wait for what `wvb build` needs."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """The names of all commands."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The command of this name; None where there is none."""
        if cmd_name not in COMMANDS:
            return None
        command = getattr(import_module(f"worldvaluesbench.cli.{COMMANDS[cmd_name]}"), cmd_name.replace("-", "_"))
        assert isinstance(command, click.Command)
        return command


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="worldvaluesbench", message="%(prog)s %(version)s")
def app() -> None:
    """Measure how well a language model knows what people around the world value."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run `wvb` with these arguments (default: those of the process) and exit."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # bars and accents must not stop a command on an ASCII terminal
    try:
        code = app(args=None if arguments is None else list(arguments), prog_name="wvb", standalone_mode=False)
        sys.exit(code or 0)  # a command that ended early gives its code, others give nothing
    except click.Abort:
        click.echo("wvb: interrupted.", err=True)
        sys.exit(INTERRUPTED)
    except click.ClickException as error:
        _show_wrong_call(error)
        sys.exit(error.exit_code)
    except WorldValuesBenchError as error:
        click.echo(f"wvb: {printable(str(error))}", err=True)
        sys.exit(1)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        click.echo("wvb: standard output cannot be written (no space left).", err=True)
        sys.exit(1)


def _show_wrong_call(error: click.ClickException) -> None:
    """Say in one line what is wrong with a call, and where help is; a call without anything gets the help itself."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show()
        return
    context = error.ctx if isinstance(error, click.UsageError) else None
    command = "wvb" if context is None else context.command_path
    said = printable(" ".join(error.format_message().split())).removesuffix(".")
    click.echo(f"{command}: {said}; see {command} --help.", err=True)
