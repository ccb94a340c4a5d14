from ._opinions import STAND_INS as STAND_INS
from ._server import mock_server as mock_server
