"""What a call of a simulation returns."""

import itertools
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NoReturn, final

from revolve_ad.errors import StructureError
from revolve_ad.simulation.arrays.form import Form
from revolve_ad.simulation.arrays.pool import Pool
from revolve_ad.simulation.kernels.model import Model
from revolve_ad.simulation.planning.costs import Costs
from revolve_ad.simulation.planning.plan import Plan
from revolve_ad.simulation.planning.standing import Standing, standing_plan
from revolve_ad.simulation.report import Report
from revolve_ad.simulation.settings import Settings

__all__ = ["Record", "Run"]


class Record:
    """What a simulation keeps from gradient to gradient: the last report, measurements, plans.

    Attributes
    ----------
    costs : dict of Form to Costs
        What was measured, by the form of the arguments, so that equal calls are planned equally.
    grown : dict of Form to int
        The bytes that the operations of one step needed at most, where tapes depend on values.
    turns : iterator of int
        Numbers the gradients, so that what is checked moves about.
    """

    __slots__ = ("_plans", "_pool", "_report", "_standing", "costs", "grown", "turns")

    def __init__(self, report: Report | None = None, pool: Pool | None = None) -> None:
        self._report: Report | Callable[[], Report] | None = report
        self.costs: dict[Form, Costs] = {}
        self.grown: dict[Form, int] = {}
        self.turns = itertools.count()
        # Tapes that are kept by what they compute refer to this object.
        self._pool = None if pool is None else weakref.ref(pool)
        self._plans: dict[Form, Standing] = {}
        self._standing: Standing | None = None

    @property
    def report(self) -> Report | None:
        """What the last gradient did; made where it is asked for."""
        found = self._report
        if found is None or isinstance(found, Report):
            return found
        made = self._report = found()
        return made

    def is_told_by(self, counted: Callable[[], Report]) -> None:
        """Note what makes the report of a gradient."""
        self._report = counted

    @property
    def pool(self) -> Pool:
        """Where checkpoints get their memory: from the simulation's, as long as that exists."""
        return (self._pool and self._pool()) or Pool()

    def plan(self, settings: Settings, model: Model) -> Plan:
        """Return the plan of a gradient; see `plan_gradient`."""
        form, known = model.form, self._standing
        # To hash a form takes a microsecond, and most gradients are by the model of the last one.
        if known is None or known.model is not model:
            known = self._plans.get(form)
        costs = self.costs.get(form) if self.costs else None
        grown = self.grown.get(form, 0) if self.grown else 0
        standing = standing_plan(known, settings, model, costs, grown, self.pool.nbytes)
        if standing is not self._standing:
            self._standing = self._plans[form] = standing
        return standing.plan

    def __reduce__(self) -> tuple[Any, ...]:
        return Record, (self.report,)

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
    _record: Record = field(
        default_factory=Record, repr=False, compare=False, metadata={"static": True}
    )

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NoReturn:
        raise StructureError(
            "a Run isn't an array: take Run.state, the final state, or Run.observed, what observe= "
            "has seen."
        )

    @property
    def report(self) -> Report | None:
        """What the last gradient through this run did; None as long as there was none."""
        return self._record.report
