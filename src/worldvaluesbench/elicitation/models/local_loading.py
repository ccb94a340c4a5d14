"""Loading: a transformers model and its tokenizer, from a folder or by its name in the hub."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from worldvaluesbench.elicitation.models.local_wording import Wording
from worldvaluesbench.errors import ModelError

_HASHED = ("config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja")
_WEIGHTS = (".safetensors", ".bin")


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model ready to be read by, and what else its folder says of it.

    `context`: the most tokens of a text, None where it does not say; `window`: see `Reader`; `ends`: the tokens that
    end an answer.
    """

    model: Any
    wording: Wording
    context: int | None
    window: int | None
    ends: frozenset[int]

    @property
    def n_tokens(self) -> int:
        """How many different tokens the model knows."""
        return int(self.model.get_input_embeddings().num_embeddings)


def load_wording(name: str, prompt: str) -> Wording:
    """The tokenizer. `prompt`: `chat`, `plain`, or `auto` for chat where the tokenizer has a template.

    Raises ModelError where there is none, or no template for `chat`.
    """
    transformers = _transformers(name)
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(name, local_files_only=Path(name).is_dir())
    except Exception as error:  # anything can be wrong with a folder or a connection, and each library says it its way
        raise ModelError(_failure(name, "tokenizer", error)) from None
    has_template = getattr(tokenizer, "chat_template", None) is not None
    if prompt == "chat" and not has_template:
        raise ModelError(f"{shown_name(name)}: its tokenizer has no chat template; choose plain prompts.")
    return Wording(tokenizer, prompt != "plain" and has_template)


def load_model(name: str, wording: Wording, *, device: str, dtype: str) -> Loaded:
    """The weights on a device. `auto`: the best device there is; the checkpoint's dtype on it, float32 on a CPU.

    Raises ModelError where they cannot be loaded or the device is not there.
    """
    transformers, torch = _transformers(name), _torch(name)
    place = _device(torch, device)
    is_folder = Path(name).is_dir()
    try:
        config = transformers.AutoConfig.from_pretrained(name, local_files_only=is_folder)
        chosen = _dtype(torch, dtype, config, place)
        with _without_bars(transformers):
            model = transformers.AutoModelForCausalLM.from_pretrained(name, dtype=chosen, local_files_only=is_folder)
        model = model.to(place).eval()
    except torch.OutOfMemoryError:
        raise ModelError(
            f"{shown_name(name)}: does not fit into the memory of {place}; choose a smaller one."
        ) from None
    except Exception as error:  # as above
        raise ModelError(_failure(name, "model", error)) from None
    text_config = config.get_text_config(decoder=True)
    context = getattr(text_config, "max_position_embeddings", None)
    return Loaded(model, wording, context, _window(text_config), _ends(model, wording.tokenizer))


def shown_name(name: str) -> str:
    """The model's name without the path of the machine it lies on."""
    return Path(name).resolve().name if Path(name).is_dir() else name


def describe_files(name: str) -> str | None:
    """A hash of a folder's small files and of the names and sizes of its weights; None for a name in the hub."""
    folder = Path(name)
    if not folder.is_dir():
        return None
    content = hashlib.blake2b(digest_size=8)
    for path in sorted(folder.iterdir()):
        if path.name in _HASHED:
            content.update(f"{path.name}\n".encode() + path.read_bytes())
        elif path.suffix in _WEIGHTS:
            content.update(f"{path.name} {path.stat().st_size}\n".encode())
    return content.hexdigest()


@contextmanager
def _without_bars(transformers: Any) -> Iterator[None]:
    """No progress bar for the weights: a run shows its own."""
    logging = transformers.utils.logging
    was_on = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if was_on:
            logging.enable_progress_bar()


def _transformers(name: str) -> Any:
    if Path(name).is_dir():
        os.environ.setdefault("HF_HUB_OFFLINE", "1")  # read when transformers is imported
    try:
        import transformers
    except ImportError:
        raise ModelError(_absent(name)) from None
    return transformers


def _torch(name: str) -> Any:
    try:
        import torch
    except ImportError:
        raise ModelError(_absent(name)) from None
    return torch


def _absent(name: str) -> str:
    return f"{shown_name(name)}: local models need torch and transformers; pip install worldvaluesbench[local]"


def _failure(name: str, what: str, error: Exception) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    reason = lines[0].replace(name, shown_name(name))[:160]
    return (
        f"{shown_name(name)}: its {what} cannot be loaded ({reason}); expected a folder of a transformers model with "
        f"its tokenizer, or a name in the hub."
    )


def _device(torch: Any, device: str) -> Any:
    if device == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        place = torch.device(device)
        torch.zeros(1, device=place)
    except (RuntimeError, AssertionError, NotImplementedError):
        raise ModelError(f"There is no device {device!r} here; expected auto, cpu, cuda or mps.") from None
    return place


def _dtype(torch: Any, dtype: str, config: Any, place: Any) -> Any:
    if dtype != "auto":
        return getattr(torch, dtype)
    if place.type == "cpu":
        return torch.float32
    own = getattr(config, "dtype", None)
    return own if own in (torch.float16, torch.bfloat16) else torch.bfloat16


def _window(config: Any) -> int | None:
    """Beyond how many tokens a text is not seen whole by each of its tokens, in any layer."""
    kinds = getattr(config, "layer_types", None)
    if kinds is not None and all(kind == "full_attention" for kind in kinds):
        return None
    if getattr(config, "use_sliding_window", True) is False:
        return None
    sizes = [getattr(config, name, None) for name in ("sliding_window", "attention_chunk_size")]
    return min((size for size in sizes if size is not None), default=None)


def _ends(model: Any, tokenizer: Any) -> frozenset[int]:
    """The tokens that end an answer: the model's and the tokenizer's."""
    own = getattr(model.generation_config, "eos_token_id", None)
    listed = own if isinstance(own, list) else [own]
    return frozenset(token for token in [*listed, tokenizer.eos_token_id] if token is not None)
