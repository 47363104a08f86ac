"""The traced array: a NumPy look-alike over real memory that writes down what is done to it.

`value` has the class, `operations` writes down what is computed, `views` reads and writes parts,
`ufuncs` and `operators` compute point by point, `methods` are those of an array.
"""

from revolve_ad.ad.traced import operators as _operators  # noqa: F401  # fills the class
from revolve_ad.ad.traced.methods import METHODS
from revolve_ad.ad.traced.operations import (
    apply,
    copied,
    is_traced,
    plain,
    record_value,
    result,
    save_operands,
)
from revolve_ad.ad.traced.ufuncs import _as_array, _astype, _operands, call_ufunc, captured_write
from revolve_ad.ad.traced.value import (
    _PYTHON,
    Traced,
    _refuse_outer_write,
    live,
    node_and_value,
    recorder_of,
    unsupported,
)
from revolve_ad.ad.traced.views import _view, part_of

__all__ = [
    "METHODS",
    "_PYTHON",
    "Traced",
    "_as_array",
    "_astype",
    "_operands",
    "_refuse_outer_write",
    "_view",
    "apply",
    "call_ufunc",
    "captured_write",
    "copied",
    "is_traced",
    "live",
    "node_and_value",
    "part_of",
    "plain",
    "record_value",
    "recorder_of",
    "result",
    "save_operands",
    "unsupported",
]
