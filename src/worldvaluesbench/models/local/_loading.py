"""Loading: a transformers model and its tokenizer, from a folder or by its name in the hub."""

import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from inspect import signature
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

from worldvaluesbench.errors import ModelError
from worldvaluesbench.models.local._wording import SAMPLE, Wording

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


def load_wording(name: str, prompt: str, template_kwargs: Mapping[str, Any] | None = None) -> Wording:
    """The tokenizer. `prompt`: `chat`, `plain`, or `auto` for chat where the tokenizer has a template.

    Raises ModelError where there is none, or the model needs code that comes with it; where there is no template for
    `chat` or `template_kwargs`, or it cannot render a prompt.
    """
    transformers = _transformers(name)
    _read_config(transformers, name)  # what cannot be loaded at all is told before anything is made
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(name, **_only_data(name))
        is_blind = set(tokenizer(SAMPLE, add_special_tokens=False)["input_ids"]) <= {tokenizer.unk_token_id}
    except Exception as error:  # anything can be wrong with a folder or a connection, and each library says it its way
        raise ModelError(_failure(name, "tokenizer", error)) from None
    if is_blind:  # what transformers makes of a folder without a tokenizer may be an empty one
        raise ModelError(f"{shown_name(name)}: its tokenizer knows no word; are its files beside the weights?")
    has_template = bool(getattr(tokenizer, "chat_template", None))
    if not has_template and (prompt == "chat" or template_kwargs):
        wanted = "--prompt chat" if prompt == "chat" else "--chat-template-kwargs"
        raise ModelError(f"{shown_name(name)}: its tokenizer has no chat template; ask without {wanted}.")
    taken = {"messages", *signature(tokenizer.apply_chat_template).parameters} & set(template_kwargs or {})
    if taken:
        raise ModelError(
            f"{shown_name(name)}: {min(taken)} is an argument of transformers, no variable of a chat template; leave "
            f"it out of --chat-template-kwargs."
        )
    wording = Wording(tokenizer, prompt != "plain" and has_template, shown_name(name), template_kwargs or {})
    wording.texts([SAMPLE])
    return wording


def load_model(name: str, wording: Wording, *, device: str, dtype: str) -> Loaded:
    """The weights on a device. `auto`: the best device there is; the checkpoint's dtype on it, float32 on a CPU.

    Raises ModelError where they cannot be loaded or the device is not there.
    """
    transformers, torch = _transformers(name), _torch(name)
    place = _device(torch, device)
    config = _read_config(transformers, name)
    try:
        chosen = _dtype(torch, dtype, config, place)
        with _without_bars(transformers):
            model, found = transformers.AutoModelForCausalLM.from_pretrained(
                name, config=config, dtype=chosen, weights_only=True, output_loading_info=True, **_only_data(name)
            )
        model = model.to(place).eval()
    except torch.OutOfMemoryError:
        raise ModelError(
            f"{shown_name(name)}: does not fit into the memory of {place}; choose a smaller one."
        ) from None
    except Exception as error:  # as above
        raise ModelError(_failure(name, "model", error)) from None
    if found["missing_keys"]:
        absent = sorted(found["missing_keys"])
        raise ModelError(
            f"{shown_name(name)}: its weights lack {len(absent)} of the model's tensors ({absent[0]} first), which "
            f"would be random; expected the weights of a whole causal language model."
        )
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


def _only_data(name: str) -> dict[str, Any]:
    """How everything is loaded: no code that comes with it, and no question whether it may run."""
    return {"trust_remote_code": False, "local_files_only": Path(name).is_dir()}


def _read_config(transformers: Any, name: str) -> Any:
    """The configuration.

    Raises ModelError where it cannot be read, or asks for code from elsewhere: attention kernels of the hub.
    """
    try:
        config = transformers.AutoConfig.from_pretrained(name, **_only_data(name))
    except Exception as error:  # as above
        raise ModelError(_failure(name, "model", error)) from None
    kernels = [str(one) for one in _attentions(config) if "/" in str(one)]
    if kernels:
        raise ModelError(_needs_code(name, f"its config.json names the kernel {kernels[0]!r:.80}"))
    return config


def _attentions(config: Any) -> Iterator[object]:
    """How a configuration and those within it want attention computed."""
    yield getattr(config, "_attn_implementation", None)
    for part in getattr(config, "sub_configs", {}):
        yield getattr(getattr(config, part, None), "_attn_implementation", None)


def _needs_code(name: str, reason: str) -> str:
    return (
        f"{shown_name(name)}: needs code that comes with it or from elsewhere ({reason}), and such code is never run "
        f"here; choose a model that transformers knows itself, or serve it and give --base-url."
    )


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
    if "trust_remote_code" in str(error):
        return _needs_code(name, f"an auto_map in its files, for its {what}")
    if "weights_only" in str(error) or isinstance(error, UnpicklingError):
        return (
            f"{shown_name(name)}: its .bin weights hold more than numbers, and unpickling that could run code; take "
            f"weights in safetensors."
        )
    lines = str(error).strip().splitlines() or [type(error).__name__]
    reason = lines[0].replace(str(Path(name).resolve()), shown_name(name)).replace(name, shown_name(name))[:160]
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
