from ._entries import asked_key as asked_key
from ._parse import Unparsed as Unparsed, parse_rating as parse_rating
from ._readout import (
    Rating as Rating, Reading as Reading, answer_schema as answer_schema, read_completion as read_completion,
    read_likelihoods as read_likelihoods,
)
from ._shares import Distribution as Distribution
from ._tokens import read_tokens as read_tokens
