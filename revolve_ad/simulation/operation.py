"""A simulation as one differentiable operation on a tape.

    final state, observations, steps, token = simulate(state, params, inputs, hidden)

The token stands for the sweep that has played its forward part.  The vjp emits an operation that
is given the token, the arguments again, and the cotangents: it plays the rest of that sweep or, if
that was done before or there is no sweep (inside of a recorded step), begins one at state 0.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, NoReturn, final

import numpy as np

from revolve_ad.ad.builder import Symbol
from revolve_ad.ad.rules.table import define_rules
from revolve_ad.ad.tape import ArrayType, Primitive
from revolve_ad.ad.traced.recorder import paused
from revolve_ad.errors import BudgetError, NonFiniteError, NotDifferentiableError
from revolve_ad.simulation.arrays.layout import Layout, Leaves
from revolve_ad.simulation.evaluation import evaluate
from revolve_ad.simulation.gradient import Arguments, Gradient, Pulled
from revolve_ad.simulation.kernels.model import Model
from revolve_ad.simulation.run import Record
from revolve_ad.simulation.settings import Settings

__all__ = ["SIMULATE", "Call"]


@final
@dataclass(eq=False, slots=True)
class Call:
    """One call of a simulation: the static parameter of the operation.

    Calls that compute the same are equal, so that what was derived from the tape of one serves the
    tape of the other; what differs from call to call goes with the token.

    Attributes
    ----------
    settings : Settings
        Of the simulation.
    model : Model
        What it computes.
    keep : bool
        Whether a gradient will be asked for, so that the run keeps checkpoints.
    fresh : bool
        Whether the model was recorded for this call.
    last : Record
        Where the simulation keeps its last report.
    n_steps, n_observed : int or None
        Known after the first evaluation.
    releases : bool
        Whether the first operand is the token of another sweep that isn't needed any more: of the
        call whose tangent this one is.
    """

    settings: Settings
    model: Model
    keep: bool
    fresh: bool = True
    last: Record = field(default_factory=Record)
    n_steps: int | None = None
    n_observed: int | None = None
    releases: bool = False
    _pulled: list[tuple[int, bool]] | None = field(default=None, init=False)

    def _key(self) -> tuple[object, ...]:
        parts = id(self.settings), id(self.model), id(self.last)
        return (*parts, self.keep, self.n_steps, self.n_observed, self.releases)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Call) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def __repr__(self) -> str:
        steps = self.settings.steps
        return f"{self.settings.step!r}, {'until' if steps is None else steps}"

    @property
    def groups(self) -> tuple[Layout, ...]:
        """The layouts of the operands: of the state, params, inputs and hidden params."""
        form = self.model.form
        inputs = () if form.inputs is None else (form.inputs,)
        return (form.state, form.params, *inputs, form.hidden)

    def arguments(self, values: Sequence[Any]) -> Arguments:
        """Return the operands by their roles."""
        form = self.model.form
        rest = list(values)
        a = len(form.state.shapes)
        b = a + len(form.params.shapes)
        c = b + (0 if form.inputs is None else len(form.inputs.shapes))
        return Arguments(rest[:a], rest[a:b], rest[b:c], rest[c:])

    @property
    def pulled(self) -> list[tuple[int, bool]]:
        """Which operands have a cotangent, and whether it is an array."""
        if self._pulled is None:
            leaves = enumerate(
                (flag, shape)
                for group in self.groups
                for flag, shape in zip(group.differentiable, group.shapes, strict=True)
            )
            self._pulled = [(i, bool(shape)) for i, (flag, shape) in leaves if flag]
        return self._pulled

    @property
    def n_final(self) -> int:
        """How many results are leaves of the final state."""
        return len(self.model.form.state.shapes)

    @property
    def n_seen(self) -> int:
        """How many results are stacked leaves of observations."""
        row = self.model.observation
        return 0 if row is None else len(row.shapes)

    def types(self) -> tuple[ArrayType, ...]:
        """Return the types of the results."""
        form, row = self.model.form, self.model.observation
        found = list(map(ArrayType, form.state.shapes, form.state.dtypes))
        if row is not None:
            n = self.n_observed
            if n is None:
                n = len(self.settings.observed(self.settings.steps))
            found += [ArrayType((n, *s), d) for s, d in zip(row.shapes, row.dtypes, strict=True)]
        found.append(ArrayType((), np.dtype(np.int64)))
        found.append(ArrayType((), np.dtype(object)))
        return tuple(found)

    def tangent(self) -> "Call":
        """Return the call of the pairs (value, tangent), with as many steps as this one had."""
        settings = self.settings
        if settings.steps is None and self.n_steps is not None:
            settings = replace(settings, until=None, steps=self.n_steps, max_steps=self.n_steps)
            if settings.observe_at is not None:
                at = tuple([k for k in settings.observe_at if k <= self.n_steps])
                settings = replace(settings, observe_at=at)
        model = self.model.tangent()
        releases = self.keep or self.releases
        return Call(settings, model, keep=False, last=self.last, releases=releases)


def _simulate(*operands: Any) -> tuple[Any, ...]:
    *values, call = operands
    arguments = _arguments(values, call)
    state = call.model.form.state
    gradient: Gradient | None = None
    with paused():
        if call.keep:
            gradient = Gradient(call.settings, call.model, arguments, call.last, fresh=call.fresh)
            try:
                final, observed = gradient.forward(arguments.state)
            except NonFiniteError:
                _value(call, arguments, careful=True)
                raise
            n_steps = gradient.n_steps
        else:
            final, observed, report = _value(call, arguments)
            n_steps = report.steps
    call.n_steps = n_steps
    if observed:
        call.n_observed = len(observed[0])
    return (*state.numpy(final), *observed, np.int64(n_steps), gradient)


def _arguments(values: list[Any], call: Call) -> Arguments:
    if call.releases:
        token = values.pop(0)
        if token is not None:
            token.abandon()
    return call.arguments(values)


def _value(call: Call, arguments: Arguments, *, careful: bool = False) -> Any:
    kernel = call.model.kernel(arguments.params, arguments.inputs, arguments.hidden)
    observer = call.model.observer(arguments.params, arguments.hidden)
    return evaluate(
        call.settings,
        call.model.form,
        kernel.advance,
        observer,
        arguments.state,
        arguments.params,
        careful=careful,
    )


def _reverse(*operands: Any) -> tuple[Any, ...]:
    *values, call, given = operands
    return _reverse_together([values], call, given)[0]


def _reverse_together(
    each: Sequence[Sequence[Any]], call: Call, given: tuple[int, ...]
) -> list[tuple[Any, ...]]:
    """Reverse one run with several cotangents, in one sweep if the memory allows it.

    Parameters
    ----------
    each : sequence of sequence
        Operands, of which only the cotangents differ.
    call, given
        The parameters of the operation.
    """
    n = len(each[0]) - len(given)
    cotangents = [dict(zip(given, operands[n:], strict=True)) for operands in each]
    values = list(each[0][:n])
    gradient: Gradient | None = values.pop(0) if call.keep else None
    arguments = _arguments(values, call)
    results: list[tuple[Any, ...]] = []
    with paused():
        while len(results) < len(cotangents):
            wanted = cotangents[len(results) :]
            gradient = _running(call, gradient, arguments, len(wanted))
            some = wanted[: gradient.most_cotangents(len(wanted))]
            try:
                pulled = _pull(call, gradient, arguments, some)
            except NonFiniteError:
                for one in some:
                    again = Gradient(call.settings, call.model, arguments, call.last, careful=True)
                    again.forward(arguments.state)
                    _pull(call, again, arguments, [one])
                raise
            results += [_results(call, one) for one in pulled]
            counted = gradient.counted
            call.last.is_told_by(counted)
            if gradient.record is not None:
                gradient.record.is_told_by(counted)
    return results


def _running(
    call: Call, gradient: Gradient | None, arguments: Arguments, n_cotangents: int
) -> Gradient:
    """Return a sweep that has played its forward part: the one given, if it can be used.

    Where memory is short, several cotangents need a plan that leaves room for them; such a sweep
    begins anew, which costs less than a sweep for each.
    """
    record = None if gradient is None else gradient.record
    begun = gradient is not None and gradient.live
    if gradient is None or not begun:
        gradient = Gradient(call.settings, call.model, arguments, call.last)
    if gradient.most_cotangents(n_cotangents) < n_cotangents:
        for n in _fewer(n_cotangents):
            reserved = gradient.bytes_of_more(n - 1)
            settings = replace(call.settings, memory=max(0, gradient.plan.budget - reserved))
            with suppress(BudgetError):
                again = Gradient(settings, call.model, arguments, call.last, reserved=reserved)
                gradient.abandon()
                gradient, begun = again, False
                break
    if not begun:
        gradient.forward(arguments.state)
    gradient.record = record
    return gradient


def _fewer(n: int) -> Iterator[int]:
    """Yield n, n / 2, n / 4, … while that is more than one."""
    while n > 1:
        yield n
        n //= 2


def _pull(
    call: Call, gradient: Gradient, arguments: Arguments, cotangents: Sequence[dict[int, Any]]
) -> list[Pulled]:
    form, row = call.model.form, call.model.observation
    pairs: list[tuple[Leaves, Leaves]] = []
    for given in cotangents:
        observed: Leaves = []
        if row is not None:
            observed = _cotangent(row.cotangents, given, call.n_final, (gradient.n_observed,))
        pairs.append((_cotangent(form.state.cotangents, given, 0, ()), observed))
    return gradient.reverse_several(arguments, pairs)


def _results(call: Call, pulled: Pulled) -> tuple[Any, ...]:
    parts = [*pulled.state, *pulled.params, *pulled.inputs, *pulled.hidden]
    return tuple([parts[i] if is_array else parts[i][()] for i, is_array in call.pulled])


def _cotangent(
    layout: Layout, cotangents: dict[int, Any], offset: int, leading: tuple[int, ...]
) -> Leaves:
    """Return the cotangents of some results in memory of our own; zeros where none is given."""
    return [
        np.array(cotangents[offset + i], dtype, order="C", copy=True)
        if offset + i in cotangents
        else np.zeros((*leading, *shape), dtype)
        for i, (shape, dtype) in enumerate(zip(layout.shapes, layout.dtypes, strict=True))
    ]


def _reverse_types(*operands: Any) -> tuple[ArrayType, ...]:
    call = operands[-2]
    return tuple(
        [
            ArrayType(shape, dtype)
            for group in call.groups
            for shape, dtype, flag in zip(
                group.shapes, group.dtypes, group.differentiable, strict=True
            )
            if flag
        ]
    )


SIMULATE = Primitive(
    "simulate", _simulate, infer=lambda *operands: operands[-1].types(), params=("call",)
)

SIMULATE_REVERSE = Primitive(
    "simulate_reverse",
    _reverse,
    infer=_reverse_types,
    params=("call", "given"),
    together=_reverse_together,
)


def _simulate_vjp(
    g: Any, y: Symbol, xs: Sequence[Symbol], params: tuple[Any, ...]
) -> Sequence[Symbol | None]:
    (call,) = params
    given = tuple(sorted(g))
    token = [y.item(call.n_final + call.n_seen + 1)] if call.keep else []
    operands = [*token, *xs, *(g[i] for i in given)]
    builder = y.builder
    whole = Symbol(
        builder, builder.apply(SIMULATE_REVERSE, [x.id for x in operands], (call, given))
    )
    flags = [flag for group in call.groups for flag in group.differentiable]
    numbers = iter(range(sum(flags)))
    if call.releases:
        flags.insert(0, False)
    return [whole.item(next(numbers)) if flag else None for flag in flags]


def _simulate_jvp(
    ts: Sequence[Symbol | None], y: Symbol, xs: Sequence[Symbol], params: tuple[Any, ...]
) -> dict[int, Symbol]:
    (call,) = params
    builder = y.builder
    pair = call.tangent()
    operands: list[int] = []
    if call.keep:
        operands.append(y.item(call.n_final + call.n_seen + 1).id)
    start = 0
    if call.releases:  # the token of the sweep that the first call began is handed on
        operands.append(xs[0].id)
        start = 1
    for group in (*call.groups[:-1], *call.model.form.hidden_parts):
        stop = start + len(group.shapes)
        operands += [x.id for x in xs[start:stop]]
        for x, t, flag in zip(xs[start:stop], ts[start:stop], group.differentiable, strict=True):
            if flag:
                operands.append(builder.literal(0, x.dtype, x.shape) if t is None else t.id)
        start = stop
    whole = Symbol(builder, builder.apply(SIMULATE, operands, (pair,)))
    tangents: dict[int, Symbol] = {}
    layouts = [call.model.form.state]
    if call.model.observation is not None:
        layouts.append(call.model.observation)
    offset = pair_offset = 0
    for layout in layouts:
        n = len(layout.shapes)
        number = pair_offset + n
        for i, flag in enumerate(layout.differentiable):
            if flag:
                tangents[offset + i] = whole.item(number)
                number += 1
        offset, pair_offset = offset + n, number
    return tangents


def _refuse(*_: Any) -> NoReturn:
    raise NotDifferentiableError(
        "a gradient through a simulation was differentiated once more in reverse mode; use "
        "ra.hvp(f, x, v), which goes forward first and then in reverse."
    )


define_rules(SIMULATE, vjp=_simulate_vjp, jvp=_simulate_jvp)
define_rules(SIMULATE_REVERSE, vjp=_refuse, jvp=_refuse)
