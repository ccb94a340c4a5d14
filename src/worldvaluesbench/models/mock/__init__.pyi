from ._options import (
    COMPLETION_FAULTS as COMPLETION_FAULTS, FAILS_ON as FAILS_ON, FEATURES as FEATURES, MISREPORTS as MISREPORTS,
    MockOptions as MockOptions, REQUEST_FAULTS as REQUEST_FAULTS, USAGES as USAGES,
)
from ._server import MockServer as MockServer, mock_server as mock_server
