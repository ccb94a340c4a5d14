"""Arguments and options that several commands share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])

PATH = click.Path(path_type=Path)

survey_file = click.argument("file", type=PATH)
dataset_folder = click.argument("data", type=PATH)
force = click.option("--force", is_flag=True, help="Replace an earlier result.")
answer_column = click.option(
    "--answer-column", metavar="NAME", help="The column of the model's answers, where a file has several that could be."
)


def out(what: str) -> Callable[[Command], Command]:
    """The required option `--out`: where the result goes."""
    return click.option("--out", type=PATH, required=True, help=what)
