from ._logprobs import (
    apart as apart, check_logprobs as check_logprobs, check_options as check_options, check_place as check_place,
    log_sum as log_sum,
)
from ._options import (
    AnswerOption as AnswerOption, LABELS as LABELS, Labels as Labels, Options as Options, choices_of as choices_of,
    shown_options as shown_options,
)
from ._persona import (
    DEFAULT_ATTRIBUTES as DEFAULT_ATTRIBUTES, Fact as Fact, Persona as Persona, STYLES as STYLES,
    parse_attributes as parse_attributes, parse_codes as parse_codes, persona_of as persona_of,
    render_persona as render_persona,
)
from ._request import (
    Completion as Completion, MAX_N as MAX_N, Reply as Reply, Request as Request, Sampling as Sampling,
    TEXT_METHODS as TEXT_METHODS, TokenChoice as TokenChoice, request_id_of as request_id_of,
)
from ._settings import Settings as Settings, differences as differences, make_settings as make_settings
from ._template import (
    DEFAULT_PRESET as DEFAULT_PRESET, METHODS as METHODS, Method as Method, Preset as Preset, Template as Template,
    load_presets as load_presets, load_template as load_template, parse_template as parse_template,
    read_template as read_template, render_prompt as render_prompt, template_names as template_names,
)
