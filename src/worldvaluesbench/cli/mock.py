"""The command that serves made-up answers: `wvb mock-server`."""

import signal
import threading
from typing import Any

import click

from worldvaluesbench.models.mock import (
    COMPLETION_FAULTS,
    FAILS_ON,
    FEATURES,
    MISREPORTS,
    REQUEST_FAULTS,
    USAGES,
    MockOptions,
)
from worldvaluesbench.models.mock import (
    mock_server as running_server,
)

SHARE = click.FloatRange(0, 1)
_DEFAULTS = MockOptions()


@click.command("mock-server")
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0: any that is free.")
@click.option("--host", default=_DEFAULTS.host, show_default=True, help="The address to listen at.")
@click.option("--models", default=",".join(_DEFAULTS.models), show_default=True, help="Names of the models served.")
@click.option("--seed", type=int, default=0, show_default=True, help="Decides all answers and faults.")
@click.option("--latency", type=click.FloatRange(0), default=0.0, help="Seconds that every answer takes.")
@click.option("--jitter", type=click.FloatRange(0), default=0.0, help="Up to so many seconds more, drawn evenly.")
@click.option("--requests-per-minute", type=float, help="Answer 429 beyond this, with the true Retry-After.")
@click.option("--too-many", type=SHARE, default=0.0, help="Share of requests answered 429 (rate limit).")
@click.option("--retry-after", type=click.FloatRange(0), default=0.0, help="Seconds that such a 429 says to wait.")
@click.option("--errors", type=SHARE, default=0.0, help="Share of requests answered 500.")
@click.option("--hang-ups", type=SHARE, default=0.0, help="Share of requests hung up on in the middle of the body.")
@click.option("--broken", type=SHARE, default=0.0, help="Share of requests answered with a body that is no JSON.")
@click.option("--garbage", type=SHARE, default=0.0, help="Share of completions that are nonsense.")
@click.option("--refusals", type=SHARE, default=0.0, help="Share of completions that decline to answer.")
@click.option("--cut-offs", type=SHARE, default=0.0, help="Share of completions cut off before the answer.")
@click.option("--filtered", type=SHARE, default=0.0, help="Share of completions withheld by a content filter.")
@click.option("--key", help="Refuse requests without this key (401). By default any key, or none, will do.")
@click.option("--key-status", type=click.IntRange(400, 499), default=401, help="Status of such a refusal, 400 by some.")
@click.option("--revoked-after", type=click.IntRange(0), help="Refuse every key after so many requests.")
@click.option("--max-context", type=click.IntRange(1), help="The most tokens of a prompt and its completion.")
@click.option("--most-logprobs", type=click.IntRange(1), default=20, help="The most alternatives shown at a token.")
@click.option("--most-completions", type=click.IntRange(1), default=128, help="The most completions of a request.")
@click.option("--digit-splitting", is_flag=True, help='Make two tokens of "10".')
@click.option("--without", default="", help=f"Features that the server lacks: {', '.join(FEATURES)}.")
@click.option("--misreport", type=click.Choice(MISREPORTS), help="What is given for log-probabilities.")
@click.option("--fails-on", default="", help=f"What the server fails on: {', '.join(FAILS_ON)}.")
@click.option("--fails-with", type=click.IntRange(400, 599), default=500, show_default=True, help="How it fails.")
@click.option("--usage", type=click.Choice(USAGES), default="all", show_default=True, help="Whose tokens are reported.")
@click.option("--named", help="The model that the server says answered.  [default: the one asked for]")
@click.option("--floods", is_flag=True, help="Answer with 64 MiB, packed into 64 kB.")
@click.option("--reasoning", "is_reasoning", is_flag=True, help="Take max_completion_tokens and no temperature.")
def mock_server(models: str, without: str, fails_on: str, **given: Any) -> None:
    """Serve made-up answers over OpenAI's API until Ctrl-C.

    The models mock-good, mock-poor and mock-first answer survey questions from the prompt alone; docs/mock-server.md
    says how. Nothing leaves the machine. What was served and which faults were injected stands at /stats.
    """
    features: Any = frozenset(_names(without))
    failing = frozenset(_names(fails_on))
    options = MockOptions(models=tuple(_names(models)), without=features, fails_on=failing, **given)
    stopped = threading.Event()
    before = {number: signal.signal(number, lambda *_: stopped.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with running_server(options) as server:
            click.echo(f"Mock server: {server.base_url} serves {', '.join(options.models)}; Ctrl-C stops it.")
            stopped.wait()
            stats = server.stats()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    faults = [f"{stats[kind]} {kind}" for kind in (*REQUEST_FAULTS, *COMPLETION_FAULTS) if stats[kind]]
    counted = [f"{stats['requests']} requests", f"{stats['completions']} completions", *faults]
    click.echo(f"Mock server: stopped after {', '.join(counted)}.".replace("_", " "))


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]
