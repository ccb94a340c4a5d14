"""Which examples are asked, as deduplicated requests, and what they will cost."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
