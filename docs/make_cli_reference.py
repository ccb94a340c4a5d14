"""Write docs/cli.md from `wvb --help`; with --check, fail where it is not current."""

import os
import subprocess
import sys
from pathlib import Path

from worldvaluesbench.cli import COMMANDS

TARGET = Path(__file__).parent / "cli.md"
HEAD = "# Command line\n\nMade from `wvb --help` by `python docs/make_cli_reference.py`; do not edit.\n"


def help_of(*command: str) -> str:
    """The help text of `wvb` or one of its commands, as in a terminal of 80 columns."""
    environment = os.environ | {"COLUMNS": "80", "TERM": "dumb", "NO_COLOR": "1"}
    call = [sys.executable, "-m", "worldvaluesbench", *command, "--help"]
    shown = subprocess.run(call, env=environment, capture_output=True, text=True, check=True)
    return "\n".join(line.rstrip() for line in shown.stdout.splitlines()).strip()


def command_names(top: str) -> list[str]:
    """The commands that the help of a group lists; none for a command."""
    lines = top.partition("Commands:\n")[2].splitlines()
    return [line.split()[0] for line in lines if line.startswith("  ") and not line.startswith("   ")]


def render_reference() -> str:
    """The whole reference as Markdown."""
    top = help_of()
    sections = [f"## wvb\n\n```text\n{top}\n```\n"]
    for name in (name for section in COMMANDS.values() for name in section):
        text = help_of(name)
        sections.append(f"## wvb {name}\n\n```text\n{text}\n```\n")
        sections += [f"### wvb {name} {sub}\n\n```text\n{help_of(name, sub)}\n```\n" for sub in command_names(text)]
    return "\n".join([HEAD, *sections])


if __name__ == "__main__":
    reference = render_reference()
    if "--check" in sys.argv:
        if not TARGET.exists() or TARGET.read_text(encoding="utf-8") != reference:
            sys.exit("docs/cli.md is not current; run: python docs/make_cli_reference.py")
        print("docs/cli.md is current.")
    else:
        TARGET.write_text(reference, encoding="utf-8")
        print(f"wrote {TARGET.name}")
