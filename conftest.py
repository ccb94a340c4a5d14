"""What pytest passes over: modules that need PyTorch, where it is not installed (`make test LOCAL=no`)."""

from importlib.util import find_spec

_NEED_TORCH = [f"src/worldvaluesbench/models/local/{name}.py" for name in ("_answers", "_decoder", "_forward")]

collect_ignore = [] if find_spec("torch") else [*_NEED_TORCH, "tests/elicitation/local_models.py"]
