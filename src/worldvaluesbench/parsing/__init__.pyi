from ._probabilities import read_likelihoods as read_likelihoods, read_tokens as read_tokens
from ._rating import Unparsed as Unparsed, parse_rating as parse_rating
from ._readout import (
    Rating as Rating, Reading as Reading, answer_schema as answer_schema, read_completion as read_completion,
)
from ._shares import Distribution as Distribution
from ._text import asked_key as asked_key
