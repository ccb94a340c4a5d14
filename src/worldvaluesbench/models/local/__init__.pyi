from ._model import LocalModel as LocalModel, LocalOptions as LocalOptions
