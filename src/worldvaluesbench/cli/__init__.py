"""The command line: `wvb`. Each command is a call of the library.

A command reads its options, calls the library and prints where the result is. Errors in the input are one message on
standard error and exit code 1; a wrong call exits with 2, an interrupt with 130; bugs keep their traceback.
"""

import errno
import io
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import click

from worldvaluesbench._version import __version__
from worldvaluesbench.errors import WorldValuesBenchError

COMMANDS = {
    "Survey and benchmark": {
        "items": ("_survey", "Show the 239 value items: scales, labels, and how the world responded."),
        "inspect": ("_survey", "Describe a survey file: version, countries, items, weights, missing responses."),
        "build": ("_benchmark", "Turn a survey file into a dataset: ratings, attributes, splits."),
        "probe": ("_benchmark", "Draw a probe set: a few respondents for each item from each cell."),
        "export": ("_benchmark", "Write a dataset in the published layout, or its examples as one table."),
    },
    "Models and baselines": {
        "ask": ("_ask", "Ask a model, and keep every answer as it arrives."),
        "run": ("_ask", "Do everything for one model: draw a probe set (if there is none), ask, score."),
        "batch": ("_batch", "Ask by files: write requests for a batch service, read its results."),
        "import-answers": ("_batch", "Make a run folder of answers from elsewhere."),
        "baseline": ("_baseline", "Make a baseline from other respondents, as a run that is scored like any other."),
    },
    "Results": {
        "score": ("_score", "Score runs and answer files: Wasserstein-1 distance from human responses, item by item."),
        "compare": (
            "_compare",
            "Compare sources: paired differences, ranks, demographics, group disparity, response diversity.",
        ),
        "report": (
            "_compare",
            "Write an HTML report: leaderboard, items, groups, response diversity, provenance.",
        ),
        "figures": ("_compare", "Draw all figures of a comparison folder or bundle."),
        "tables": (
            "_compare",
            "Write Table 2, the leaderboard and, with --data, Table 1 of the paper, as HTML and LaTeX.",
        ),
        "bundle": (
            "_compare",
            "Pack aggregates, report, card and checksums into one zip that is made to be shared: no microdata.",
        ),
    },
    "To try it out": {
        "demo": (
            "_demo",
            "Run everything once on synthetic respondents: dataset, probe, two models, scores, a report.",
        ),
        "synthetic": ("_survey", "Write a synthetic survey file with the real world marginals, for trying things out."),
        "mock-server": ("_mock", "Serve made-up answers over OpenAI's API until Ctrl-C."),
    },
}
"""Commands by section of the help: module, and first line of the help, so that `wvb --help` imports no module."""

ALIASES = {"plan": ("ask", "--dry-run"), "prompt": ("ask", "--show-prompt")}
"""Former commands that are options now."""

INTERRUPTED = 130


class Commands(click.Group):
    """The commands, each imported when it is called."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.homes = {name: home for section in COMMANDS.values() for name, home in section.items()}
        self.commands = dict.fromkeys(self.homes, click.Command("unloaded"))  # what a mistyped name is compared with

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click gives it
        """The command of this name; None where there is none."""
        if cmd_name not in self.homes:
            return None
        module = import_module(f"worldvaluesbench.cli.{self.homes[cmd_name][0]}")
        found = getattr(module, cmd_name.replace("-", "_"))
        assert isinstance(found, click.Command)
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that the arguments name, aliases replaced."""
        name, *others = args
        return super().resolve_command(ctx, [*ALIASES.get(name, (name,)), *others])

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - too
        """Write the commands, section by section, without importing them."""
        room = formatter.width - 6 - max(map(len, self.homes))
        for section, commands in COMMANDS.items():
            with formatter.section(section):
                formatter.write_dl([(name, _short(text, room)) for name, (_, text) in commands.items()])


def _short(text: str, room: int) -> str:
    """As much of a sentence as fits into one line, up to a word."""
    if len(text) <= room:
        return text.removesuffix(".")
    cut = text[: room - 2].rsplit(" ", 1)[0].rstrip(",;:")
    return f"{cut}…"


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80})
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
        _fail("wvb: interrupted.", INTERRUPTED)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(error.exit_code)
    except click.ClickException as error:
        context = error.ctx if isinstance(error, click.UsageError) else None
        name = "wvb" if context is None else context.command_path
        said = " ".join(error.format_message().split()).removesuffix(".")
        _fail(f"{name}: {said}{'' if said.endswith('?') else ';'} see {name} --help.", error.exit_code)
    except WorldValuesBenchError as error:
        _fail(f"wvb: {error}", 1)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        _fail("wvb: standard output cannot be written (no space left).", 1)


def _fail(message: str, code: int) -> None:
    from worldvaluesbench._io import printable
    from worldvaluesbench.cli._terminal import fitted

    click.echo(fitted(printable(message)), err=True)
    sys.exit(code)
