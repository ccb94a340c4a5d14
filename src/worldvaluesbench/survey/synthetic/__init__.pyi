from ._synthetic import write_synthetic as write_synthetic
