"""From a reply to a rating or an answer distribution, or the reason why there is none."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
