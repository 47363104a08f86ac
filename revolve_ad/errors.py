"""The exception tree: every error of ours is a `RevolveError` and a builtin exception too.

A message says what came, what is allowed and what to do; where it can, it names the step,
the phase and the leaf of the state, such as ``state['u']``.
"""

__all__ = [
    "BudgetError",
    "CheckpointCorruptError",
    "DivergedReplayError",
    "DtypeError",
    "HiddenStateError",
    "IndexRangeError",
    "LeafError",
    "NonFiniteError",
    "NotDifferentiableError",
    "ParameterError",
    "RevolveError",
    "ScheduleError",
    "ShapeError",
    "StepLimitError",
    "StorageError",
    "StorageFullError",
    "StructureError",
    "TracedValueError",
    "UnsupportedOperationError",
    "VerificationError",
    "WriteError",
]


class RevolveError(Exception):
    """The root of every error that revolve_ad raises on purpose."""


class ParameterError(RevolveError, ValueError):
    """An argument of a public function lies outside what is allowed."""


class StructureError(RevolveError, TypeError):
    """A structured value has another nesting, or a leaf of a kind, that isn't allowed."""


class LeafError(StructureError):
    """A leaf is neither an array nor a number."""


class ShapeError(RevolveError, ValueError):
    """An array has another shape than the one that it must have."""


class DtypeError(RevolveError, TypeError):
    """An array has another dtype than the one that it must have."""


class NotDifferentiableError(RevolveError, TypeError):
    """A derivative was asked for with respect to, or of, what has none."""


class TracedValueError(RevolveError, TypeError):
    """A traced value was used where only a plain number or array can stand."""


class UnsupportedOperationError(RevolveError, NotImplementedError):
    """A function was called on a traced value for which there is no rule."""


class VerificationError(RevolveError, AssertionError):
    """A check of a derivative or of a step failed; the message is its table."""


class IndexRangeError(RevolveError, IndexError):
    """A recorded index or slice leaves its array in another step than the recorded one."""


class WriteError(RevolveError, ValueError):
    """A function wrote into memory that it may only read."""


class HiddenStateError(WriteError):
    """A function reads what an earlier call of it left in an array from outside."""


class ScheduleError(RevolveError, ValueError):
    """A schedule breaks one of the rules that make it executable."""


class BudgetError(RevolveError, ValueError):
    """The budget of bytes is below the smallest one that works; the message says which that is."""


class StepLimitError(RevolveError, RuntimeError):
    """`until` was still false after `max_steps` steps."""


class DivergedReplayError(RevolveError, RuntimeError):
    """A step that was executed again gave other bits than the first time."""


class NonFiniteError(RevolveError, ArithmeticError):
    """A state or a cotangent holds NaN or Inf; the message names the first step and leaf."""


class StorageError(RevolveError, OSError):
    """A storage couldn't keep or bring back a checkpoint."""


class StorageFullError(StorageError):
    """A storage has no room for another checkpoint."""


class CheckpointCorruptError(StorageError):
    """A checkpoint that was read back isn't the one that was written."""
