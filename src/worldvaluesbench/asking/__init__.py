"""Runs: one model asked one plan, journalled, resumed and kept within a budget."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
