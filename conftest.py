"""What pytest passes over: modules that need PyTorch, where it is not installed (`make test LOCAL=no`)."""

from importlib.util import find_spec

_WITH_TORCH = ("local_answers", "local_options", "local_reader", "local_reading", "local_writing")
_NEED_TORCH = [f"src/worldvaluesbench/elicitation/models/{name}.py" for name in _WITH_TORCH]

collect_ignore = [] if find_spec("torch") else [*_NEED_TORCH, "tests/elicitation/local_models.py"]
