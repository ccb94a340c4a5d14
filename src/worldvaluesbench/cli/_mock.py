"""The command that serves made-up answers: `wvb mock-server`."""

import signal
import threading

import click

from worldvaluesbench.cli._command import command, option
from worldvaluesbench.models.standin import STAND_INS
from worldvaluesbench.models.standin import mock_server as running_server


@command("mock-server")
@option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0: any free port.")
@option("--host", default="127.0.0.1", show_default=True, help="The address to listen at.")
@option("--models", default=",".join(STAND_INS), show_default=True, help="Names of the models to serve.")
@option("--seed", type=int, default=0, show_default=True, help="Decides all answers.")
@option("--latency", type=click.FloatRange(0), default=0.0, help="Seconds that each answer takes.")
def mock_server(models: str, host: str, port: int, seed: int, latency: float) -> None:
    """Serve made-up answers over OpenAI's API until Ctrl-C.

    The stand-in models mock-good, mock-poor and mock-first answer survey questions from the prompt alone;
    docs/mock-server.md says how. Nothing leaves the machine.
    """
    names = [name.strip() for name in models.split(",") if name.strip()]
    stopped = threading.Event()
    before = {number: signal.signal(number, lambda *_: stopped.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with running_server(host, port, models=names, seed=seed, latency=latency) as base_url:
            click.echo(f"Mock server: {base_url} serves {', '.join(names)}; Ctrl-C stops it.")
            stopped.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    click.echo("Mock server: stopped.")
