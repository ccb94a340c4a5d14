from ._compare import compare_answers as compare_answers
from ._compared import COMPARED as COMPARED, COVARIANCES as COVARIANCES
from ._comparison import (
    Comparison as Comparison, KIND as KIND, comparison_document as comparison_document,
    read_comparison as read_comparison, write_comparison as write_comparison,
)
from ._merge import is_paired as is_paired, merge_comparisons as merge_comparisons
from ._pilot import mean_variance as mean_variance, pilot_variances as pilot_variances
from ._receipts import receipt_problem as receipt_problem
