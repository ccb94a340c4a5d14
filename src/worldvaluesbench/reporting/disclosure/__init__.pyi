from ._sharing import SAFE_MIN_N as SAFE_MIN_N, few_remain as few_remain, load_shared_columns as load_shared_columns
from ._suppress import protect as protect, suppress as suppress
