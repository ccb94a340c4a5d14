#!/bin/sh
# transformers 5.23.0 (torch 2.13.0, Python 3.11, Linux): a generation config that says `top_k=None` still keeps only the 50 likeliest tokens.
#
# In version 5 `GenerationConfig().top_k` is None, and so is `model.generation_config.top_k` of a model that came without a
# generation_config.json; printing the config shows no top_k at all. One concludes that `generate(do_sample=True)` draws from the model's
# whole distribution. It does not: the default of 50 is filled in within `generate`, after one can look. A distribution of answers
# estimated by sampling at temperature 1 is then one of a truncated model. `top_k=0` has to be passed to draw
# from all of it.
#
# The None of the config and a None that is passed are not the same either: generate(do_sample=True, top_k=None) draws from all.
#
# Seen with a model of random weights and 258 tokens: top_k None in both configs; 4,000 draws of one token hold 50 different tokens, with
# top_k=0 all 258, with top_k=None passed to generate all 258.
# Exits with 1 if that changes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet transformers==5.23.0 torch==2.13.0
HF_HUB_OFFLINE=1 "$folder/venv/bin/python" - <<'PYTHON'
import sys

import torch
import transformers
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM

torch.manual_seed(0)
shape = LlamaConfig(
    vocab_size=258, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2, eos_token_id=None, pad_token_id=0
)
model = LlamaForCausalLM(shape).eval()
prompt = torch.tensor([[5, 6, 7]]).repeat(4_000, 1)


def n_different(**options: object) -> int:
    torch.manual_seed(1)
    return len(set(model.generate(prompt, do_sample=True, max_new_tokens=1, **options)[:, -1].tolist()))


said = GenerationConfig().top_k, model.generation_config.top_k
drawn = n_different(), n_different(top_k=0), n_different(top_k=None)
print("transformers", transformers.__version__, "torch", torch.__version__)
print("top_k as the configs say it:", said)
print("different tokens of 258 in 4,000 draws: by default, top_k=0, top_k=None:", drawn)
sys.exit(0 if said == (None, None) and drawn == (50, 258, 258) else 1)
PYTHON
