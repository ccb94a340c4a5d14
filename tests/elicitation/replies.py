"""Replies as a run reads them: each completion, or the probabilities, by the method of its settings."""

from worldvaluesbench.parsing._probabilities import read_likelihoods, read_tokens
from worldvaluesbench.parsing._readout import Reading, read_completion
from worldvaluesbench.parsing._text import asked_key
from worldvaluesbench.prompts._options import choices_of
from worldvaluesbench.prompts._request import Reply
from worldvaluesbench.prompts._settings import Settings
from worldvaluesbench.survey._codebook import Item


def read_reply(reply: Reply, item: Item, settings: Settings) -> list[Reading]:
    """The readings of a reply that asks this item."""
    choices, method = choices_of(item, settings.labels, reply.request.order), reply.request.method
    if method == "token_probs":
        return [read_tokens(reply.tokens, choices)]
    if method == "option_likelihood":
        return [read_likelihoods(reply.option_logprobs, choices)]
    asked = asked_key(settings.template.text)
    return [read_completion(one, choices, item.scale, method, asked) for one in reply.completions]
