from ._bundle import (
    check_bundle as check_bundle, check_bundle_destination as check_bundle_destination, is_bundle as is_bundle,
    read_bundle as read_bundle, write_bundle as write_bundle,
)
