from ._compare import compare_answers as compare_answers, is_paired as is_paired, merge_comparisons as merge_comparisons
from ._compared import COMPARED as COMPARED, COVARIANCES as COVARIANCES
from ._comparison import (
    Comparison as Comparison, KIND as KIND, comparison_document as comparison_document,
    load_comparison as load_comparison, receipt_problem as receipt_problem, write_comparison as write_comparison,
)
from ._pilot import mean_variance as mean_variance, pilot_variances as pilot_variances
