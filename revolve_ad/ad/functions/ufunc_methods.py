"""The methods of ufuncs: reduce, accumulate, reduceat, outer, at; and numbers that they widen."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from revolve_ad.ad.core import elementwise
from revolve_ad.ad.dispatch import FUNCTIONS, implements
from revolve_ad.ad.functions.formulas import define_by_equal
from revolve_ad.ad.functions.indexing import _operands, _template, _without_integers, filled
from revolve_ad.ad.functions.reductions import reduce, ufunc_accumulate
from revolve_ad.ad.recorder import Recorder
from revolve_ad.ad.rules.table import FREE, no_derivative
from revolve_ad.ad.tape import ArrayType, Kind, Primitive
from revolve_ad.ad.traced import _PYTHON, Traced, apply, record_value, unsupported

__all__ = ["REDUCE", "accumulated", "reduced", "take_python_numbers"]

_ = (reduce, ufunc_accumulate)
