from ._bundle import check_bundle_destination as check_bundle_destination, write_bundle as write_bundle
from ._file import check_bundle as check_bundle, read_bundle as read_bundle
from ._tables import SAFE_MIN_N as SAFE_MIN_N
from ._zip import is_bundle as is_bundle, load_schemas as load_schemas
