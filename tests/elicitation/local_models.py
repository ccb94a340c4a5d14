"""Tiny random transformers models with tokenizers of several kinds, saved as folders. Needs torch and transformers."""

from pathlib import Path
from typing import Any, Literal

import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    BloomConfig,
    BloomForCausalLM,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    PreTrainedTokenizerFast,
)

# tensors so small are computed sooner than threads have met
torch.set_num_threads(1)

Digits = Literal["whole", "split"]
Architecture = Literal["llama", "gpt2", "bloom", "mistral"]

CHAT_TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SPECIAL = ["<s>", "</s>", "<|im_start|>", "<|im_end|>"]


def make_tokenizer(digits: Digits = "whole", *, is_chat: bool = False, has_begin: bool = False) -> Any:
    """A byte-level tokenizer: every byte, some words with their blank, and "10" as one token or as "1" and "0"."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    words = ["10", "Ġ10"] if digits == "whole" else []
    words += ["Ġ" + letter for letter in "0123456789NVRi"] + ["No", "Ve", "Ra", "im", "ĠNo", "ĠVe", "ĠRa", "Ġim"]
    merges = [("1", "0"), ("Ġ1", "0")] if digits == "whole" else []
    merges += [("Ġ", letter) for letter in "0123456789NVRi"] + [(pair[0], pair[1]) for pair in ("No", "Ve", "Ra", "im")]
    merges += [("ĠN", "o"), ("ĠV", "e"), ("ĠR", "a"), ("Ġi", "m")]
    # merges that make a blank and a digit come before those that make "10"
    merges.sort(key=lambda pair: pair[0] != "Ġ")
    vocabulary = {token: number for number, token in enumerate([*SPECIAL, *letters, *words])}
    tokenizer = Tokenizer(models.BPE(vocabulary, merges))
    split = Regex(r" ?\d+| ?\p{L}+|\s+(?!\S)|\s+| ?[^\s\p{L}\d]+")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(split, "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    make: Any = PreTrainedTokenizerFast
    fast = make(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        additional_special_tokens=SPECIAL[2:],
    )
    if is_chat:
        fast.chat_template = CHAT_TEMPLATE
    if has_begin:
        from tokenizers.processors import TemplateProcessing

        fast.backend_tokenizer.post_processor = TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    return fast


def make_model(architecture: Architecture, n_tokens: int, *, seed: int = 1) -> Any:
    """A random model of two layers; large weights, so that its probabilities are far from even."""
    torch.manual_seed(seed)
    common: dict[str, Any] = {"vocab_size": n_tokens, "bos_token_id": 0, "eos_token_id": 1, "initializer_range": 0.25}
    if architecture == "gpt2":
        return GPT2LMHeadModel(GPT2Config(n_positions=512, n_embd=32, n_layer=2, n_head=4, **common))
    if architecture == "bloom":
        return BloomForCausalLM(BloomConfig(hidden_size=32, n_layer=2, n_head=4, **common))
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    common |= sizes | {"num_key_value_heads": 2, "max_position_embeddings": 512}
    if architecture == "mistral":
        return MistralForCausalLM(MistralConfig(sliding_window=48, **common))
    return LlamaForCausalLM(LlamaConfig(**common))


def save(folder: Path, architecture: Architecture = "llama", digits: Digits = "whole", **tokenizer: bool) -> Path:
    """A model and its tokenizer in a folder."""
    made = make_tokenizer(digits, **tokenizer)
    make_model(architecture, len(made)).save_pretrained(folder)
    made.save_pretrained(folder)
    return folder


def plain_logprobs(model: Any, tokens: list[int]) -> Any:
    """Log-probabilities of the token behind each place of one text, by a plain forward pass over it alone."""
    with torch.no_grad():
        logits = model(torch.tensor([tokens])).logits[0]
    return logits.double().log_softmax(-1)
