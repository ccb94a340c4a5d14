from ._local import LocalModel as LocalModel, LocalOptions as LocalOptions
