"""Run the Python of a page, block after block in one namespace, and hold what each prints against what stands below.

`python docs/run_pages.py` writes what is printed into the pages; with `--check` it fails where a page says otherwise.
"""

import contextlib
import io
import re
import sys
from pathlib import Path

PAGES = ("uncertainty.md",)
BLOCK = re.compile(r"```python\n(.*?)```\n\n```text\n(.*?)```", flags=re.DOTALL)


def run_page(text: str) -> str:
    """The page with what its blocks print."""
    names: dict[str, object] = {}

    def run(block: re.Match[str]) -> str:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(block[1], names)
        return f"```python\n{block[1]}```\n\n```text\n{printed.getvalue()}```"

    return BLOCK.sub(run, text)


def main() -> None:
    """Write or check every page."""
    for name in PAGES:
        path = Path(__file__).parent / name
        text = path.read_text(encoding="utf-8")
        found = run_page(text)
        if "--check" in sys.argv[1:] and found != text:
            sys.exit(f"{name} does not show what its Python prints; run `python docs/run_pages.py`.")
        path.write_text(found, encoding="utf-8")


if __name__ == "__main__":
    main()
