"""What a call of a simulation returns."""

from dataclasses import dataclass, field
from typing import Any, final

from revolve_ad.simulation.arrays.form import Form
from revolve_ad.simulation.planning.costs import Costs
from revolve_ad.simulation.report import Report

__all__ = ["Record", "Run"]


class Record:
    """Where the report of a run is put when it is finished.

    Attributes
    ----------
    report : Report or None
        What the last gradient did.
    costs : dict of Form to Costs
        What was measured, by the form of the arguments, so that equal calls are planned equally.
    grown : dict of Form to int
        The bytes that the operations of one step needed at most, where tapes depend on values.
    """

    __slots__ = ("costs", "grown", "report")

    def __init__(self, report: Report | None = None) -> None:
        self.report = report
        self.costs: dict[Form, Costs] = {}
        self.grown: dict[Form, int] = {}

    def note(self, form: Form, operations: int) -> None:
        """Note what the operations of the steps have needed at most."""
        self.grown[form] = max(operations, self.grown.get(form, 0))


@final
@dataclass(frozen=True, slots=True)
class Run:
    """A run of a simulation.

    Attributes
    ----------
    state
        The final state, in the structure of the first one; numbers are NumPy scalars.
    observed
        The observations, in the structure of what `observe` returns, each leaf stacked along a new
        leading axis, with a row for each state that was observed; None without `observe`.
    steps : int
        Number of steps N.
    """

    state: Any
    observed: Any
    steps: int
    _record: Record = field(default_factory=Record, repr=False, compare=False)

    @property
    def report(self) -> Report | None:
        """What the last gradient through this run did; None as long as there was none."""
        return self._record.report
