from ._costs import Costs as Costs, estimate_costs as estimate_costs, load_tokenizer as load_tokenizer
from ._examples import (
    ExampleSet as ExampleSet, Rows as Rows, probe_examples as probe_examples, read_examples as read_examples,
    split_examples as split_examples,
)
from ._plan import (
    Plan as Plan, build_plan as build_plan, item_prompts as item_prompts, read_requests as read_requests,
    write_plan as write_plan,
)
