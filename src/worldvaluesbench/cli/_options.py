"""The options of commands that ask, by section of the help, and what they mean to the library."""

import json
from pathlib import Path
from typing import Any

import click

from worldvaluesbench.benchmark import SPLITS, Dataset
from worldvaluesbench.cli._command import PATH, Given, given_options, option, together
from worldvaluesbench.models import TOP_LOGPROBS, Model, check_method
from worldvaluesbench.planning import ExampleSet, probe_examples, read_examples, split_examples
from worldvaluesbench.prompts import (
    DEFAULT_ATTRIBUTES,
    DEFAULT_PRESET,
    LABELS,
    METHODS,
    STYLES,
    Settings,
    make_settings,
    parse_attributes,
    read_template,
)
from worldvaluesbench.survey import Codebook

ITEMS, PROMPT, ELICITATION = "What to ask", "Prompt", "Elicitation"
MODEL, WEIGHTS_HERE, REQUESTS, COST = "Model", "Local weights", "Requests to an endpoint", "Cost and power"

items_option = option(
    "--items", "--item", "items", section=ITEMS, help="Only these items, comma-separated: Q1,Q57. Default: all."
)

limit_option = option("--limit", type=click.IntRange(min=1), section=ITEMS, help="Only the first N of these examples.")

what_to_ask = together(
    option("--probe", type=PATH, section=ITEMS, help="The examples of a probe folder (wvb probe)."),
    option("--split", type=click.Choice(SPLITS), section=ITEMS, help="All examples of a split."),
    option("--examples", type=PATH, section=ITEMS, help="A csv, tsv or parquet file with item_id and respondent_id."),
    items_option,
    limit_option,
)

how_to_ask = together(
    option("--preset", default=DEFAULT_PRESET, show_default=True, section=PROMPT, help="See docs/prompts.md."),
    option("--template", type=PATH, section=PROMPT, help="A prompt template file of your own."),
    option(
        "--attributes",
        section=PROMPT,
        help=f"Demographic attributes to show, comma-separated; all; none. Default: {','.join(DEFAULT_ATTRIBUTES)}.",
    ),
    option("--style", type=click.Choice(STYLES), section=PROMPT, help="Persona as questions and answers, or prose."),
    option("--labels", type=click.Choice(LABELS), section=PROMPT, help="Symbols of the answer options."),
    option(
        "--orders", type=click.IntRange(min=1), section=PROMPT, help="Ask in this many balanced orders of the options."
    ),
    option("--method", type=click.Choice(METHODS), section=ELICITATION, help="See docs/methods.md."),
    option(
        "--samples", "n", type=click.IntRange(min=1), section=ELICITATION, help="Completions of each prompt (sampled)."
    ),
    option("--temperature", metavar="NUMBER|none", section=ELICITATION, help="Sampling temperature; none sends none."),
    option("--max-tokens", type=click.IntRange(min=1), section=ELICITATION, help="The most tokens of a completion."),
    option("--stop", multiple=True, section=ELICITATION, help="End completions at this text; may be repeated."),
    option("--seed", type=int, section=ELICITATION, help="Seed of the model's sampling, where the server takes one."),
    option(
        "--structured",
        "is_structured",
        is_flag=True,
        section=ELICITATION,
        help="Request structured output (JSON schema).",
    ),
    option(
        "--retry-unparsed",
        type=click.IntRange(min=0),
        section=ELICITATION,
        help="Ask again this many times where no rating can be read.",
    ),
)

which_model = together(
    option("-m", "--model", section=MODEL, help="Its name at the endpoint, or a folder of weights."),
    option("--base-url", section=MODEL, help="The endpoint: http://localhost:8000/v1. Default: OpenAI's."),
    option(
        "--api-key-env", "key_env", default="OPENAI_API_KEY", show_default=True, section=MODEL,
        help="The environment variable with the API key.",
    ),
    option(
        "--endpoint", type=click.Choice(["chat", "completions"]), default="chat", show_default=True, section=MODEL,
        help="Which API.",
    ),
    option(
        "--chat-template-kwargs",
        callback=lambda _context, _option, value: _object_of(value),
        section=MODEL,
        help="Variables of the chat template, as JSON.",
    ),
    option("--top-logprobs", type=click.IntRange(min=2), section=MODEL, help="Alternatives to request. Default: 20."),
    option("--name", section=MODEL, help="Name of the run. Default: model, demographics, method."),
    option("--local", "is_local", is_flag=True, section=WEIGHTS_HERE, help="Run the weights on this machine."),
    option("--device", default="auto", show_default=True, section=WEIGHTS_HERE, help="cpu, cuda, mps."),
    option("--dtype", default="auto", show_default=True, section=WEIGHTS_HERE, help="float32, bfloat16, float16."),
    option(
        "--prompt-format", "prompt", type=click.Choice(["auto", "chat", "plain"]), default="auto", show_default=True,
        section=WEIGHTS_HERE, help="Through the chat template, or as it is.",
    ),
    option(
        "--batch-size", "batch_tokens", type=click.IntRange(min=1), section=WEIGHTS_HERE,
        help="Tokens in a batch. Default: by device.",
    ),
    option("--concurrency", type=click.IntRange(min=1), default=64, show_default=True, section=REQUESTS,
           help="Requests in flight."),
    option("--rpm", type=click.FloatRange(min=0, min_open=True), section=REQUESTS, help="Requests a minute, at most."),
    option("--tpm", type=click.FloatRange(min=0, min_open=True), section=REQUESTS, help="Tokens a minute, at most."),
    option("--timeout", type=float, default=120.0, show_default=True, section=REQUESTS, help="Seconds for one try."),
    option(
        "--deadline", type=click.FloatRange(min=0, min_open=True), section=REQUESTS,
        help="Seconds for a request with all its retries. Default: none.",
    ),
    option("--max-retries", "retries", type=click.IntRange(min=0), default=8, show_default=True, section=REQUESTS,
           help="Retries of a request."),
    option("--max-body", type=click.IntRange(min=1), default=16, show_default=True, section=REQUESTS,
           help="Largest reply, in MiB."),
)  # fmt: skip

what_it_costs = together(
    option("--price-in", type=click.FloatRange(min=0), section=COST, help="Price of a million prompt tokens."),
    option("--price-out", type=click.FloatRange(min=0), section=COST, help="Price of a million completion tokens."),
    option(
        "--budget", type=click.FloatRange(min=0, min_open=True), section=COST, help="Stop before more is spent."
    ),
    option(
        "--rate", type=click.FloatRange(min=0, min_open=True), section=COST,
        help="Assumed requests per second, for the time estimate.",
    ),
    option("--tokenizer", type=PATH, section=COST, help="A tokenizer.json or its folder, to count tokens."),
    option(
        "--detect", type=click.FloatRange(min=0, max=1, min_open=True), section=COST,
        help="Power analysis: what this difference of mean W1 needs.",
    ),
    option("--pilot", type=PATH, section=COST, help="A comparison to take variances from, for --detect."),
)  # fmt: skip

_OF_ENDPOINTS = (
    "base_url", "key_env", "endpoint", "concurrency", "rpm", "tpm", "timeout", "deadline", "retries", "top_logprobs",
    "max_body",
)  # fmt: skip
_OF_WEIGHTS = ("device", "dtype", "prompt", "batch_tokens")


def examples_of(given: Given, dataset: Dataset) -> ExampleSet:
    """The examples to ask: of exactly one of `--probe`, `--split` and `--examples`."""
    if sum(given[name] is not None for name in ("probe", "split", "examples")) != 1:
        raise click.UsageError("Give one of --probe DIR, --split NAME and --examples FILE: which examples to ask.")
    item_ids = item_ids_of(given, dataset.codebook)
    if given["probe"] is not None:
        found = probe_examples(dataset, given["probe"], item_ids)
    elif given["split"] is not None:
        found = split_examples(dataset, given["split"], item_ids)
    else:
        found = read_examples(dataset, given["examples"], item_ids)
    return found.first(given["limit"])


def item_ids_of(given: Given, codebook: Codebook) -> list[str] | None:
    """The items of `--items`; None without it, or for `all`.

    Raises CodebookError for an unknown item.
    """
    if given["items"] is None or given["items"].strip() == "all":
        return None
    return [codebook.item(name.strip()).item_id for name in given["items"].split(",") if name.strip()]


def settings_of(given: Given, codebook: Codebook) -> Settings:
    """The settings: those of the preset, with what is given beside it."""
    kept = ("style", "n", "max_tokens", "seed", "labels", "orders", "retry_unparsed")
    others = {name: given[name] for name in kept if given.get(name) is not None}
    temperature = given.get("temperature")
    if temperature not in (None, "none"):
        try:
            others["temperature"] = float(temperature)
        except ValueError:
            raise click.UsageError(f"--temperature is {temperature}; expected a number or none.") from None
    if given.get("stop"):
        others["stop"] = tuple(text.replace("\\n", "\n").replace("\\t", "\t") for text in given["stop"])
    if given.get("is_structured"):
        others["is_structured"] = True
    return make_settings(
        given["preset"],
        template=None if given["template"] is None else read_template(given["template"]),
        method=given.get("method"),
        attributes=None if given["attributes"] is None else parse_attributes(given["attributes"], codebook),
        without_temperature=temperature == "none",
        **others,
    )


def model_of(given: Given) -> Model:
    """The model: an endpoint, or weights on this machine. Nothing is loaded or called yet."""
    if given["model"] is None:
        raise click.UsageError("Missing option '--model'.")
    is_local = given["is_local"]
    unused = given_options(_OF_ENDPOINTS if is_local else _OF_WEIGHTS)
    if unused:
        kind = "of an endpoint, and --local asks none" if is_local else "of local weights; give --local to run them"
        raise click.UsageError(f"{unused[0]} is {kind}.")
    if is_local:
        from worldvaluesbench.models.local import LocalModel, LocalOptions

        kept = ("device", "dtype", "prompt", "batch_tokens", "chat_template_kwargs")
        return LocalModel(given["model"], options=LocalOptions(**{name: given[name] for name in kept}))
    from worldvaluesbench.models.hosted import HostedModel, HostedOptions

    if Path(given["model"]).is_dir() and given["base_url"] is None:
        raise click.UsageError(f"{given['model']} is a folder; give --local to run its weights, or --base-url.")
    return HostedModel(
        given["model"],
        base_url=given["base_url"],
        key_env=given["key_env"],
        endpoint=given["endpoint"],
        options=HostedOptions(
            concurrency=given["concurrency"],
            requests_per_minute=given["rpm"],
            tokens_per_minute=given["tpm"],
            timeout=given["timeout"],
            deadline=given["deadline"],
            retries=given["retries"],
            top_logprobs=given["top_logprobs"] or TOP_LOGPROBS,
            most_bytes=given["max_body"] * 2**20,
        ),
        chat_template_kwargs=given["chat_template_kwargs"],
    )


def check_model(given: Given, model: Model, settings: Settings) -> None:
    """Raise ModelError where the model cannot answer by the method, before anything is made."""
    may_echo = settings.method == "option_likelihood" and not given["is_local"]
    hint = "; where the server echoes prompts, give --endpoint completions" if may_echo else ""
    check_method(model, settings.method, hint)


def _object_of(text: str | None) -> dict[str, Any] | None:
    if text is None:
        return None
    try:
        content = json.loads(text)
        json.dumps(content, allow_nan=False, ensure_ascii=False).encode()  # as it is sent and written
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise click.BadParameter(f'expected a JSON object such as {{"enable_thinking": false}}, found {text[:60]!r}')
    return content
