"""Commands whose help lists options by section and whose options can stand in a file (`--config`)."""

import tomllib
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

import click

Decorated = TypeVar("Decorated", bound=Callable[..., Any])
Decorator = Callable[[Decorated], Decorated]
Given = Mapping[str, Any]
"""The values of options, by parameter."""

PATH = click.Path(path_type=Path)
GENERAL, REFERENCE = "Options", "Reference"
"""Sections of the help that several modules have options in."""


class Option(click.Option):
    """An option that belongs to a section of the help."""

    def __init__(self, *args: Any, section: str = GENERAL, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.section = section


class Command(click.Command):
    """A command with sections in its help and `--config FILE`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        help_text = "Read options from a TOML file: max-tokens = 16. The command line wins."
        config = Option(
            ["--config"], type=PATH, is_eager=True, expose_value=False, callback=_read_config, help=help_text
        )
        self.params.append(config)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, section by section."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None and not isinstance(parameter, click.Argument):
                sections.setdefault(getattr(parameter, "section", GENERAL), []).append(record)
        general = sections.pop(GENERAL, [])
        for section, records in {**sections, GENERAL: general}.items():
            with formatter.section(section):
                formatter.write_dl(records)


def _read_config(context: click.Context, option: click.Parameter, path: Path | None) -> None:
    """Make the values of a TOML file the defaults of the command.

    Keys are option names without the leading dashes; a table named like the command holds options of it alone. Lists
    are repeated options, or the values of an option that takes commas.
    """
    if path is None:
        return
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise click.BadParameter(f"{path} cannot be read as TOML: {error}.", context, option) from None
    known: dict[str, click.Parameter] = {}
    for parameter in context.command.params:
        names = [*parameter.opts, *parameter.secondary_opts, parameter.name or ""]
        known |= {name.lstrip("-").replace("_", "-"): parameter for name in names}
    tables = {key: value for key, value in content.items() if isinstance(value, dict) and key not in known}
    values = {key: value for key, value in content.items() if key not in tables} | tables.get(
        context.info_name or "", {}
    )
    context.default_map = dict(context.default_map or {})
    for key, value in values.items():
        found = known.get(key.replace("_", "-"))
        if found is None or found is option or found.name is None:
            close = get_close_matches(key.replace("_", "-"), known, n=1)
            hint = f"; did you mean {close[0]}?" if close else ""
            raise click.BadParameter(f"{path}: {context.command_path} has no option {key!r}{hint}", context, option)
        if isinstance(value, list) and not (getattr(found, "multiple", False) or found.nargs != 1):
            value = ",".join(map(str, value))
        context.default_map[found.name] = value


def command(name: str | None = None, **attributes: Any) -> Callable[[Callable[..., Any]], click.Command]:
    """`click.command` for a `Command`."""
    return click.command(name, cls=Command, **attributes)


def option(*names: str, section: str = GENERAL, **attributes: Any) -> Decorator[Any]:
    """`click.option` for an `Option`."""
    return click.option(*names, cls=Option, section=section, **attributes)


def together(*decorators: Decorator[Any]) -> Decorator[Any]:
    """Several decorators as one, the first outermost."""

    def decorate(function: Any) -> Any:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return decorate


def is_given(name: str) -> bool:
    """Whether a parameter of the running command was given, on the command line or in its `--config`."""
    context = click.get_current_context(silent=True)
    source = click.core.ParameterSource
    return context is not None and context.get_parameter_source(name) in (source.COMMANDLINE, source.DEFAULT_MAP)


def given_options(names: Iterable[str]) -> list[str]:
    """Those of these parameters of the running command that were given, as the options that they are."""
    context = click.get_current_context(silent=True)
    flags = {} if context is None else {parameter.name: parameter.opts[-1] for parameter in context.command.params}
    return [flags[name] for name in names if is_given(name)]


survey_file = click.argument("file", type=PATH)
dataset_folder = click.argument("data", type=PATH)
force = option("--force", is_flag=True, help="Replace an earlier result.")


def out(what: str, **attributes: Any) -> Decorator[Any]:
    """The option `--out`, required unless said otherwise: where the result goes."""
    return option("-o", "--out", type=PATH, **{"required": True, "help": what, **attributes})


def weight_option(function: Any) -> Any:
    """The option `--weight`: the survey weight of respondents."""
    from worldvaluesbench.benchmark import WEIGHTS  # only here: not every command handles respondents

    choice = click.Choice(WEIGHTS)
    return option("--weight", type=choice, default="none", show_default=True, section=REFERENCE, help="Survey weight.")(
        function
    )
