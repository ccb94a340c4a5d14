"""Figures: one function each, which takes a comparison and gives an Altair chart."""
