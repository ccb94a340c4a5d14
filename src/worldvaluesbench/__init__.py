"""Measure how well a language model knows what people around the world value.

>>> import worldvaluesbench as wvb
>>> wvb.load_codebook().item("Q1").scale.n_points
4
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
