"""How results are shown: figures, tables, a page, a bundle to share."""
