"""The traced array: a NumPy look-alike over real memory that writes down what is done to it.

`recorder` takes down what is done, `value` has the class, `operations` writes down what is
computed, `views` reads and writes parts, `ufuncs` and `operators` compute point by point, `methods`
are those of an array.  `dispatch` has the table of NumPy's functions, and `interception` catches
those that don't ask NumPy's protocols.
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
from revolve_ad.ad.traced.ufuncs import as_array, as_type, call_ufunc, captured_write, operand_nodes
from revolve_ad.ad.traced.value import (
    PYTHON_NUMBERS,
    Traced,
    live,
    node_and_value,
    recorder_of,
    refuse_outer_write,
    unsupported,
)
from revolve_ad.ad.traced.views import part_of, view_of

__all__ = [
    "METHODS",
    "PYTHON_NUMBERS",
    "Traced",
    "apply",
    "as_array",
    "as_type",
    "call_ufunc",
    "captured_write",
    "copied",
    "is_traced",
    "live",
    "node_and_value",
    "operand_nodes",
    "part_of",
    "plain",
    "record_value",
    "recorder_of",
    "refuse_outer_write",
    "result",
    "save_operands",
    "unsupported",
    "view_of",
]
