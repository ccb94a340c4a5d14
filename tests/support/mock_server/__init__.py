"""A mock server with faults: OpenAI's API over HTTP, as slow, strict and faulty as real endpoints can be."""

from tests.support.mock_server.options import (
    COMPLETION_FAULTS,
    FEATURES,
    MISREPORTS,
    REQUEST_FAULTS,
    Faults,
    Misreport,
    MockOptions,
    Pace,
    Usage,
)
from tests.support.mock_server.server import MockServer, mock_server

__all__ = [
    "COMPLETION_FAULTS",
    "FEATURES",
    "MISREPORTS",
    "REQUEST_FAULTS",
    "Faults",
    "Misreport",
    "MockOptions",
    "MockServer",
    "Pace",
    "Usage",
    "mock_server",
]
