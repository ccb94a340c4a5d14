from ._synthetic import build_synthetic as build_synthetic, write_synthetic as write_synthetic
