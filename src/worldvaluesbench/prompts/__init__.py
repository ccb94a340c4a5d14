"""What a model is shown: personas, templates, answer options, and the settings that decide what is sent."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
