"""The options of every command that asks or plans to: what, how, whom, and at what price.

Each group of options is a decorator; the command takes them as `**given` and turns them into what the library wants
by the functions here.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from worldvaluesbench.benchmark import SPLITS, Dataset
from worldvaluesbench.cli import options
from worldvaluesbench.errors import ModelError
from worldvaluesbench.models import TOP_LOGPROBS, Model
from worldvaluesbench.planning import (
    Costs,
    ExampleSet,
    Plan,
    estimate_costs,
    load_tokenizer,
    probe_examples,
    read_examples,
    split_examples,
)
from worldvaluesbench.prompts import (
    DEFAULT_ATTRIBUTES,
    DEFAULT_PRESET,
    LABELS,
    METHODS,
    STYLES,
    Settings,
    parse_attributes,
    read_template,
    settle,
)
from worldvaluesbench.survey import Codebook

Command = TypeVar("Command", bound=Callable[..., Any])
Given = Mapping[str, Any]

KEY_ENV = "OPENAI_API_KEY"

_OF_ENDPOINTS = (
    "base_url", "key_env", "endpoint", "concurrency", "rpm", "tpm", "timeout", "deadline", "retries", "top_logprobs",
    "max_body",
)  # fmt: skip
_OF_WEIGHTS = ("device", "dtype", "prompt")


def _together(*decorators: Callable[[Command], Command]) -> Callable[[Command], Command]:
    def decorate(command: Command) -> Command:
        for decorator in reversed(decorators):
            command = decorator(command)
        return command

    return decorate


items_option = click.option("--items", help="Ask these items alone, separated by commas: Q1,Q57. Default: all.")

what_to_ask = _together(
    click.option("--probe", type=options.PATH, help="Ask the examples of a probe folder (wvb probe)."),
    click.option("--split", type=click.Choice(SPLITS), help="Or all examples of a split."),
    click.option(
        "--examples", type=options.PATH, help="Or those of a file: csv, tsv or parquet with item_id and respondent_id."
    ),
    items_option,
)

how_to_ask = _together(
    click.option("--preset", default=DEFAULT_PRESET, show_default=True, help="How to ask; docs/prompts.md lists them."),
    click.option("--template", type=options.PATH, help="A template file of your own, instead of the preset's."),
    click.option(
        "--attributes",
        help="Which attributes to show, separated by commas; or all, or none. Default: "
        f"{','.join(DEFAULT_ATTRIBUTES)}.",
    ),
    click.option("--style", type=click.Choice(STYLES), help="A person as questions and answers, or as sentences."),
    click.option("--method", type=click.Choice(METHODS), help="How an answer is read; docs/methods.md compares them."),
    click.option("--n", type=click.IntRange(min=1), help="Completions of each prompt (method sampled)."),
    click.option("--temperature", type=float, help="Sampling temperature; greedy has 0."),
    click.option("--no-temperature", "without_temperature", is_flag=True, help="Send none: some models take none."),
    click.option("--max-tokens", type=click.IntRange(min=1), help="The most tokens of a completion."),
    click.option("--stop", multiple=True, help="End a completion at this text (\\n is a line end); may be repeated."),
    click.option("--seed", type=int, help="Seed of the model's sampling, where the server has one."),
    click.option("--labels", type=click.Choice(LABELS), help="What names an answer: 1, A, or its words."),
    click.option("--orders", type=click.IntRange(min=1), help="Ask in so many balanced orders of the options."),
    click.option("--structured", "is_structured", is_flag=True, help="Hold the server to a JSON schema."),
    click.option(
        "--retry-unparsed", type=click.IntRange(min=0), help="Ask again, so many times, where no rating can be read."
    ),
)

whom_to_ask = _together(
    click.option("--model", required=True, help="The model: its name at the endpoint, or a folder of weights."),
    click.option("--base-url", help="The endpoint, such as http://localhost:8000/v1. Default: OpenAI's."),
    click.option(
        "--key-env", default=KEY_ENV, show_default=True, help="The environment variable that holds the API key."
    ),
    click.option(
        "--endpoint", type=click.Choice(["chat", "completions"]), default="chat", show_default=True, help="Which API."
    ),
    click.option("--concurrency", type=click.IntRange(min=1), default=64, show_default=True, help="Calls at a time."),
    click.option("--rpm", type=click.FloatRange(min=0, min_open=True), help="At most so many calls a minute."),
    click.option("--tpm", type=click.FloatRange(min=0, min_open=True), help="At most so many tokens a minute."),
    click.option("--timeout", type=float, default=120.0, show_default=True, help="Seconds that one call may take."),
    click.option(
        "--deadline",
        type=click.FloatRange(min=0, min_open=True),
        help="Seconds that a request may take with all its tries. Default: no limit.",
    ),
    click.option(
        "--retries", type=click.IntRange(min=0), default=8, show_default=True, help="Further tries of a call."
    ),
    click.option(
        "--max-body", type=click.IntRange(min=1), default=16, show_default=True, help="MiB that a reply may have."
    ),
    click.option(
        "--top-logprobs", type=click.IntRange(min=2), help="Alternatives to ask for (token_probs). Default: 20."
    ),
    click.option("--local", "is_local", is_flag=True, help="Run the weights here (worldvaluesbench[local])."),
    click.option("--device", default="auto", show_default=True, help="Where local weights run: cpu, cuda, mps."),
    click.option("--dtype", default="auto", show_default=True, help="Their number format: float32, bfloat16."),
    click.option(
        "--prompt",
        type=click.Choice(["auto", "chat", "plain"]),
        default="auto",
        show_default=True,
        help="Through their chat template or as it is; auto: chat where there is a template.",
    ),
    click.option(
        "--chat-template-kwargs",
        callback=lambda context, option, value: _object_of(value),  # noqa: ARG005
        help="Variables of the chat template, as JSON: '{\"enable_thinking\": false}' (local, vLLM, SGLang...).",
    ),
)

name_option = click.option("--name", help="What scores and tables call the run. Default: model, demographics, method.")

what_it_costs = _together(
    click.option("--price-in", type=click.FloatRange(min=0), help="Price of a million prompt tokens."),
    click.option("--price-out", type=click.FloatRange(min=0), help="Price of a million completion tokens."),
)

how_it_is_estimated = _together(
    click.option("--rate", type=click.FloatRange(min=0, min_open=True), help="Requests a second, to say how long."),
    click.option("--tokenizer", type=options.PATH, help="A tokenizer.json, or the folder of one, to count tokens."),
)

budget_option = click.option(
    "--budget", type=click.FloatRange(min=0, min_open=True), help="Stop before more than this is spent; needs prices."
)


def examples_of(given: Given, dataset: Dataset) -> ExampleSet:
    """The examples to ask: of exactly one of `--probe`, `--split` and `--examples`."""
    if sum(given[name] is not None for name in ("probe", "split", "examples")) != 1:
        raise click.UsageError("Give one of --probe DIR, --split NAME and --examples FILE: which examples to ask.")
    item_ids = item_ids_of(given, dataset.codebook)
    if given["probe"] is not None:
        return probe_examples(dataset, given["probe"], item_ids)
    if given["split"] is not None:
        return split_examples(dataset, given["split"], item_ids)
    return read_examples(dataset, given["examples"], item_ids)


def item_ids_of(given: Given, codebook: Codebook) -> list[str] | None:
    """The items of `--items`; None where it is not given, or `all`.

    Raises CodebookError for an unknown item.
    """
    if given["items"] is None or given["items"].strip() == "all":
        return None
    return [codebook.item(name.strip()).item_id for name in given["items"].split(",") if name.strip()]


def settings_of(given: Given, codebook: Codebook) -> Settings:
    """The settings: the preset's, with whatever is given beside it."""
    attributes = given["attributes"]
    kept = ("style", "n", "temperature", "max_tokens", "seed", "labels", "orders", "retry_unparsed")
    others = {name: given[name] for name in kept if given.get(name) is not None}
    if given.get("stop"):
        others["stop"] = tuple(text.replace("\\n", "\n").replace("\\t", "\t") for text in given["stop"])
    if given.get("is_structured"):
        others["is_structured"] = True
    return settle(
        given["preset"],
        template=None if given["template"] is None else read_template(given["template"]),
        method=given.get("method"),
        attributes=None if attributes is None else parse_attributes(attributes, codebook),
        without_temperature=bool(given.get("without_temperature")),
        **others,
    )


def model_of(given: Given) -> Model:
    """The model: an endpoint, or weights that run here. Nothing is loaded or called yet."""
    _check_whom(is_local=given["is_local"])
    if given["is_local"]:
        from worldvaluesbench.models.local import LocalModel, LocalOptions

        kept = ("device", "dtype", "prompt", "chat_template_kwargs")
        return LocalModel(given["model"], options=LocalOptions(**{name: given[name] for name in kept}))
    from worldvaluesbench.models.hosted import HostedModel, HostedOptions, preload

    if Path(given["model"]).is_dir() and given["base_url"] is None:
        raise click.UsageError(f"{given['model']} is a folder; give --local to run its weights, or --base-url.")
    preload()  # a second of imports, while the plan is made
    paces = HostedOptions(
        concurrency=given["concurrency"],
        requests_per_minute=given["rpm"],
        tokens_per_minute=given["tpm"],
        timeout=given["timeout"],
        deadline=given["deadline"],
        retries=given["retries"],
        top_logprobs=given["top_logprobs"] or TOP_LOGPROBS,
        most_bytes=given["max_body"] * 2**20,
    )
    return HostedModel(
        given["model"],
        base_url=given["base_url"],
        key_env=given["key_env"],
        endpoint=given["endpoint"],
        options=paces,
        chat_template_kwargs=given["chat_template_kwargs"],
    )


def check_method(given: Given, model: Model, settings: Settings) -> None:
    """Raise ModelError where the model cannot answer by the method, before anything is made."""
    if settings.method in model.methods:
        return
    hint = ""
    if settings.method == "option_likelihood" and not given["is_local"]:
        hint = "; where the server echoes prompts, give --endpoint completions"
    raise ModelError(
        f"{model.name}: cannot answer by {settings.method}, only by {', '.join(sorted(model.methods))}{hint}."
    )


def _object_of(text: str | None) -> dict[str, Any] | None:
    """A JSON object that was given as a text."""
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


def _check_whom(*, is_local: bool) -> None:
    """Raise UsageError where an option was given that only the other kind of model has."""
    context = click.get_current_context(silent=True)
    unused = _OF_ENDPOINTS if is_local else _OF_WEIGHTS
    if context is None:  # called from Python
        return
    for name in unused:
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            kind = "of an endpoint, and --local asks none" if is_local else "of local weights; give --local to run them"
            raise click.UsageError(f"--{name.replace('_', '-')} is {kind}.")


def costs_of(given: Given, plan: Plan, model: Model | None = None) -> Costs:
    """What asking the plan will take, with the tokenizer that is at hand."""
    path = given.get("tokenizer")
    count = load_tokenizer(path) if path is not None else None if model is None else model.count_tokens
    return estimate_costs(
        plan,
        count_tokens=count,
        price_in=given["price_in"],
        price_out=given["price_out"],
        rate=given.get("rate"),
    )
