"""Statistics on arrays: scales, the Wasserstein-1 distance, the bootstrap, noise floors, bounds, power."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
