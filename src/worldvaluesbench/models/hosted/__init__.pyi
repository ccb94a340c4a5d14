from ._echo import Scored as Scored, option_logprobs as option_logprobs, read_option as read_option
from ._hosted import HostedModel as HostedModel
from ._pace import HostedOptions as HostedOptions
