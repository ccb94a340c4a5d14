from ._bounds import (
    distance_bounds as distance_bounds, distance_with_refusals as distance_with_refusals,
    refusal_distance as refusal_distance,
)
from ._distances import DISTANCES as DISTANCES, skill as skill
from ._distribution import (
    Array as Array, Ints as Ints, MIN_COVERAGE as MIN_COVERAGE, Mask as Mask, majority_shares as majority_shares,
    shares_of as shares_of, uniform_shares as uniform_shares, wasserstein as wasserstein,
)
from ._estimate import (
    Draws as Draws, Estimate as Estimate, Floats as Floats, METHODS as METHODS, NORMAL as NORMAL,
    Resampling as Resampling, bias_bounds as bias_bounds, debias as debias, draw_multiplicities as draw_multiplicities,
    interval_text as interval_text, mean_interval as mean_interval, quantiles_of as quantiles_of,
)
from ._item_sampling import (
    ITEM_SAMPLING as ITEM_SAMPLING, ItemSampling as ItemSampling, Items as Items, Moments as Moments,
    collapse_singletons as collapse_singletons, design_effect_of_share as design_effect_of_share,
    draw_items as draw_items, item_df as item_df, moments_of as moments_of, standard_error as standard_error,
    t_quantile as t_quantile,
)
from ._noise import harmonic_n as harmonic_n, noise_floor as noise_floor
from ._power import (
    DEFAULT_VARIANCE as DEFAULT_VARIANCE, Design as Design, DifferenceVariance as DifferenceVariance,
    HUMAN_SHARE as HUMAN_SHARE, LEVEL as LEVEL, Needed as Needed, POWER as POWER,
    detectable_difference as detectable_difference, needed as needed, power_of as power_of,
)
from ._scale import MAX_POINTS as MAX_POINTS, Scale as Scale
from ._shrinkage import find_concentration as find_concentration, shrink as shrink
from ._worth import poll_size as poll_size, sampling_distance as sampling_distance, skill_score as skill_score
