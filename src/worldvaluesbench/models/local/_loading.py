"""Loading: a transformers model and its tokenizer, from a folder or by its name in the hub."""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from inspect import signature
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

from worldvaluesbench.errors import ModelError
from worldvaluesbench.models.local._encoding import SAMPLE, PromptEncoder

_HASHED = ("config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja")
_WEIGHTS = (".safetensors", ".bin")


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model ready to use, and what else its folder says of it.

    `context`: the most tokens of a text, None where it does not say; `window`: see `BatchRunner`; `ends`: the tokens
    that end an answer.
    """

    model: Any
    encoder: PromptEncoder
    context: int | None
    window: int | None
    ends: frozenset[int]

    @property
    def n_tokens(self) -> int:
        """How many different tokens the model knows."""
        return int(self.model.get_input_embeddings().num_embeddings)


def load_encoder(name: str, prompt: str, template_kwargs: Mapping[str, Any] | None = None) -> PromptEncoder:
    """The tokenizer. `prompt`: `chat`, `plain`, or `auto` for chat where the tokenizer has a template.

    Raises ModelError where there is none, or the model needs code that comes with it; where there is no template for
    `chat` or `template_kwargs`, or it cannot render a prompt.
    """
    transformers, shown = _import(name, "transformers"), shown_name(name)
    _read_config(transformers, name)  # a model that cannot be loaded at all is reported first
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(name, **_only_data(name))
        is_blind = set(tokenizer(SAMPLE, add_special_tokens=False)["input_ids"]) <= {tokenizer.unk_token_id}
    except Exception as error:  # anything can be wrong with a folder or a connection; each library has its own errors
        raise ModelError(_failure(name, "tokenizer", error)) from None
    if is_blind:  # what transformers makes of a folder without a tokenizer may be an empty one
        raise ModelError(f"{shown}: its tokenizer knows no word; are its files beside the weights?")
    has_template = bool(getattr(tokenizer, "chat_template", None))
    if not has_template and (prompt == "chat" or template_kwargs):
        wanted = "--prompt chat" if prompt == "chat" else "--chat-template-kwargs"
        raise ModelError(f"{shown}: its tokenizer has no chat template; ask without {wanted}.")
    taken = {"messages", *signature(tokenizer.apply_chat_template).parameters} & set(template_kwargs or {})
    if taken:
        raise ModelError(
            f"{shown}: {min(taken)} is an argument of transformers, not a variable of a chat template; leave it out of "
            f"--chat-template-kwargs."
        )
    encoder = PromptEncoder(tokenizer, prompt != "plain" and has_template, shown, template_kwargs or {})
    encoder.render(SAMPLE)
    return encoder


def load_model(name: str, encoder: PromptEncoder, *, device: str, dtype: str) -> LoadedModel:
    """The weights on a device. `auto`: the best device there is; the checkpoint's dtype on it, float32 on a CPU.

    Raises ModelError where they cannot be loaded or the device does not exist.
    """
    transformers, torch = _import(name, "transformers"), _import(name, "torch")
    place, logging = _device(torch, device), transformers.utils.logging
    config, has_bars = _read_config(transformers, name), logging.is_progress_bar_enabled()
    logging.disable_progress_bar()  # a run shows its own
    try:
        model, found = transformers.AutoModelForCausalLM.from_pretrained(
            name,
            config=config,
            dtype=_dtype(torch, dtype, config, place),
            weights_only=True,
            output_loading_info=True,
            **_only_data(name),
        )
        model = model.to(place).eval()
    except torch.OutOfMemoryError:
        raise ModelError(
            f"{shown_name(name)}: does not fit into the memory of {place}; choose a smaller one."
        ) from None
    except Exception as error:  # as above
        raise ModelError(_failure(name, "model", error)) from None
    finally:
        if has_bars:
            logging.enable_progress_bar()
    if found["missing_keys"]:
        absent = sorted(found["missing_keys"])
        raise ModelError(
            f"{shown_name(name)}: its weights lack {len(absent)} of the model's tensors ({absent[0]} first), which "
            f"would be random; expected the weights of a whole causal language model."
        )
    text_config = config.get_text_config(decoder=True)
    context = getattr(text_config, "max_position_embeddings", None)
    own = getattr(model.generation_config, "eos_token_id", None)
    ends = {*(own if isinstance(own, list) else [own]), encoder.tokenizer.eos_token_id} - {None}
    return LoadedModel(model, encoder, context, _window(text_config), frozenset(ends))


def shown_name(name: str) -> str:
    """The model's name without the path of its folder."""
    return Path(name).resolve().name if Path(name).is_dir() else name


def hash_files(name: str) -> str | None:
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
    """How everything is loaded: without code that comes with it, and without asking whether to run such code."""
    return {"trust_remote_code": False, "local_files_only": Path(name).is_dir()}


def _read_config(transformers: Any, name: str) -> Any:
    """The configuration.

    Raises ModelError where it cannot be read, or asks for code from elsewhere: attention kernels of the hub.
    """
    try:
        config = transformers.AutoConfig.from_pretrained(name, **_only_data(name))
    except Exception as error:  # as above
        raise ModelError(_failure(name, "model", error)) from None
    for part in (config, *(getattr(config, key, None) for key in getattr(config, "sub_configs", {}))):
        kernel = str(getattr(part, "_attn_implementation", None))
        if "/" in kernel:
            raise ModelError(_needs_code(name, f"its config.json names the kernel {kernel!r:.80}"))
    return config


def _needs_code(name: str, reason: str) -> str:
    return (
        f"{shown_name(name)}: needs code that comes with it or from elsewhere ({reason}), and such code is never run "
        f"here; choose a model that transformers knows itself, or serve it and give --base-url."
    )


def _import(name: str, library: str) -> Any:
    if Path(name).is_dir():
        os.environ.setdefault("HF_HUB_OFFLINE", "1")  # read when transformers is imported
    try:
        return import_module(library)
    except ImportError:
        raise ModelError(
            f"{shown_name(name)}: local models need torch and transformers; pip install worldvaluesbench[local]"
        ) from None


def _failure(name: str, what: str, error: Exception) -> str:
    if "trust_remote_code" in str(error):
        return _needs_code(name, f"an auto_map in its files, for its {what}")
    if "weights_only" in str(error) or isinstance(error, UnpicklingError):
        return (
            f"{shown_name(name)}: its .bin weights hold more than numbers, and unpickling that could run code; use "
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
    except (RuntimeError, AssertionError, NotImplementedError):  # by the kind of device that torch lacks
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
