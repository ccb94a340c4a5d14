"""Timings of this package beside a plain pandas/SciPy implementation of the same jobs. Run: `make bench`."""
