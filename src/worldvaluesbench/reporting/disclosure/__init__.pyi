from ._complement import small_remainders as small_remainders
from ._partition import Group as Group, group_of as group_of
from ._rounding import round_numbers as round_numbers
from ._suppress import protect as protect, suppress as suppress
