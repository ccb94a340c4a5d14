from ._bodies import (
    Endpoint as Endpoint, TOP_LOGPROBS as TOP_LOGPROBS, URLS as URLS, chat_body as chat_body,
    check_endpoint as check_endpoint, completion_body as completion_body, describe_template as describe_template,
    echo_body as echo_body, seed_of as seed_of,
)
from ._model import (
    FunctionModel as FunctionModel, Model as Model, TextModel as TextModel, TokenModel as TokenModel,
    check_method as check_method,
)
from ._returned import (
    FILTERED as FILTERED, MOST_NAMES as MOST_NAMES, NO_LOGPROBS as NO_LOGPROBS, choices_in as choices_in,
    counted_for_all as counted_for_all, error_code as error_code, read_response as read_response,
    token_counts as token_counts, tokens_in as tokens_in,
)
from ._said import (
    Redactor as Redactor, message_of as message_of, model_named as model_named, prompts_in as prompts_in,
    said_of as said_of,
)
