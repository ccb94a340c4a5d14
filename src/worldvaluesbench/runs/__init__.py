"""What a run is: its folder and description, the columns of its answers, and why an answer does not count."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
