"""Measure how well a language model knows what people around the world value."""

__version__ = "0.1.0"
