"""`check_step` tells whether a step is pure, its tape is the step, and its derivative is right."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from revolve_ad.errors import (
    ParameterError,
    TracedValueError,
    UnsupportedOperationError,
    VerificationError,
    WriteError,
)
from revolve_ad.verify.captured import Captured
from revolve_ad.verify.direction import (
    Array,
    inner,
    moved,
    precision,
    random_direction,
    root_mean_square,
)
from revolve_ad.verify.noise import noise_level
from revolve_ad.verify.one_step import OneStep, Point
from revolve_ad.verify.slope import examine

__all__ = ["Finding", "StepCheck", "check_step"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of a `StepCheck`.

    Attributes
    ----------
    claim : str
        What should hold.
    ok : bool
        Whether it does.
    measured : str
        A number, or what was seen.
    remedy : str
        What to do where it doesn't.
    """

    claim: str
    ok: bool
    measured: str
    remedy: str = ""


@final
@dataclass(frozen=True, slots=True)
class StepCheck:
    """The result of `check_step`; it prints as a table.

    Attributes
    ----------
    name : str
        The step's name.
    k : int
        Which step was called.
    findings : tuple of Finding
        What was looked at.
    """

    name: str
    k: int
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether all that was looked at holds."""
        return all(one.ok for one in self.findings)

    @property
    def bad(self) -> tuple[Finding, ...]:
        """What doesn't hold."""
        return tuple([one for one in self.findings if not one.ok])

    def raise_if_bad(self) -> None:
        """Raise `VerificationError` with the table, unless `ok`."""
        if not self.ok:
            raise VerificationError(str(self))

    def __str__(self) -> str:
        width = max((len(one.claim) for one in self.findings), default=0)
        lines = [f"step check of {self.name}, k = {self.k}: {'good' if self.ok else 'BAD'}"]
        lines += [
            f"  {one.claim:<{width}}  {'good' if one.ok else 'BAD':<4}  {one.measured}"
            for one in self.findings
        ]
        lines += [f"{one.claim}: {one.remedy}" for one in self.bad if one.remedy]
        return "\n".join(lines)


def check_step(
    step: Callable[..., Any],
    state: Any,
    params: Any = None,
    k: int = 0,
    inputs_k: Any = None,
    *,
    directions: int = 2,
    rng: Any = None,
) -> StepCheck:
    """Look at one step: purity, replay of its tape, and its derivatives.

    Parameters
    ----------
    step : callable
        ``(state, params, k) -> state``, or ``(state, params, k, inputs_k) -> state``; with or
        without a vjp of its own (`ra.step`).
    state, params
        Where to look, preferably not the values that a run starts with; they stay as they are.
    k : int
        Which step.
    inputs_k
        The row of inputs of this step; None for a step without inputs.
    directions : int
        Random directions for each leaf.
    rng : seed or numpy.random.Generator, optional
        For the directions (SPEC 7).

    Returns
    -------
    StepCheck
        Its findings are:

        - the step, called twice, gives the same bits; it writes into neither params nor inputs,
          changes nothing that it captured (a scratch array that it fills before it reads it is
          allowed), and draws no numbers from NumPy's global generator;
        - its tape, or its ``advance``, gives the bits of the step itself at another point;
        - for each leaf of state, params and inputs: its vjp agrees with differences of the step;
        - its vjp agrees with its jvp: ⟨w, J d⟩ = ⟨Jᵀ w, d⟩.

    Notes
    -----
    Differences see an error of a vjp from about 1e-7 of that leaf's part on, in float64.

    Examples
    --------
    >>> import numpy as np
    >>> check_step(lambda u, rate, k: u - 0.1 * rate * u, np.ones(3), 0.5, rng=1).ok
    True
    """
    if directions < 1:
        raise ParameterError(f"directions is {directions}; give at least 1.")
    rng = np.random.default_rng(rng)
    one = OneStep(step, state, params, k, inputs_k)
    findings = _purity(one)
    # A step that isn't a function has no derivative, and differences of it mean nothing.
    if all(finding.ok for finding in findings):
        try:
            findings += _replay(one, rng)
            findings += _derivatives(one, directions, rng)
        except (TracedValueError, UnsupportedOperationError, WriteError) as error:
            findings.append(Finding("it can be recorded", False, "no", str(error)))
    name = getattr(one.function, "__name__", type(one.function).__name__)
    return StepCheck(name, k, tuple(findings))


# -- purity --------------------------------------------------------------------------------------


def _purity(one: OneStep) -> list[Finding]:
    user = one.user
    functions = [one.function]
    if user is not None:
        functions += [f for f in (user._vjp, user._jvp, user._advance) if f is not None]
    before = Captured.of(*functions)
    generator = _global_generator()
    given, again = one.copy(one.point), one.copy(one.point)
    first, second = one.call(given, one.k), one.call(again, one.k)
    n = len(one.form.state.shapes)
    names = one.form.state.paths
    findings = [
        _same(
            "called twice, it gives the same bits",
            names,
            first,
            second,
            "A step must be a function of its arguments. Draw random numbers and forcings before "
            "the run and pass them as inputs=; carry a memory in the state.",
        ),
        _same(
            "params and inputs stay as they are",
            one.paths[n:],
            one.point[n:],
            given[n:],
            "Copy what the step changes, or make it a part of the state.",
        ),
    ]
    if user is not None:
        findings += _purity_of_vjp(one)
    findings.append(_nothing_captured_changes(one, first, before, Captured.of(*functions)))
    findings.append(
        Finding(
            "NumPy's global generator isn't used",
            generator == _global_generator(),
            "drawn from" if generator != _global_generator() else "untouched",
            "Draw the numbers before the run, rng.standard_normal((steps, …)), and pass them as "
            "inputs=.",
        )
    )
    return findings


def _purity_of_vjp(one: OneStep) -> list[Finding]:
    user = one.user
    assert user is not None
    w = one.form.state.cotangents.zeros()
    for leaf in w:
        leaf += 1
    given = one.copy(one.point)
    first = one.pull_user(user, given, [leaf.copy() for leaf in w])
    second = one.pull_user(user, one.copy(one.point), [leaf.copy() for leaf in w])
    n = len(one.form.state.shapes)
    kept = [(p, a, b) for p, a, b in zip(one.paths, first, second, strict=True) if a is not None]
    return [
        _same(
            "its vjp, called twice, gives the same bits",
            [p for p, _, _ in kept],
            [a for _, a, _ in kept],
            [b for _, _, b in kept],
            "A vjp must be a function of its arguments; sum up nothing between its calls.",
        ),
        _same(
            "its vjp leaves params and inputs as they are",
            one.paths[n:],
            one.point[n:],
            given[n:],
            "Return the cotangents of params and inputs; write into the state's and the "
            "cotangent's memory only.",
        ),
    ]


def _nothing_captured_changes(
    one: OneStep, result: Point, before: Captured, after: Captured
) -> Finding:
    claim = "captured values stay as they are"
    changed = before.changed(after)
    scratch = [name for name in changed if name in after.arrays]
    others = [name for name in changed if name not in scratch]
    if (
        scratch
        and not others
        and _overwritten_first(one, result, [after.arrays[s] for s in scratch])
    ):
        return Finding(claim, True, f"{', '.join(scratch)}: scratch, filled before it is read")
    return Finding(
        claim,
        not changed,
        f"changed: {', '.join(changed)}" if changed else f"{len(before.prints)} looked at",
        "What the step captured must not change during a run: make it a part of the state if it is "
        "read, and count calls with progress= instead.",
    )


def _overwritten_first(one: OneStep, result: Point, arrays: Sequence[Array]) -> bool:
    """Tell whether the result is the same whatever these captured arrays hold."""
    held = [array.copy() for array in arrays]
    try:
        for array in arrays:
            if not array.flags.writeable:
                return False
            array[...] = np.nan if array.dtype.kind in "fc" else array.dtype.type(1)
        try:
            found = one.call(one.copy(one.point), one.k)
        except Exception:  # whatever NaN makes of it: it was read
            return False
    finally:
        for array, content in zip(arrays, held, strict=True):
            array[...] = content
    return not _unequal(one.form.state.paths, result, found)


def _global_generator() -> str:
    name, keys, position, *rest = np.random.get_state(legacy=True)  # noqa: NPY002 — that one is it
    return f"{name}{np.asarray(keys).tobytes()!r}{position}{rest}"


# -- replay --------------------------------------------------------------------------------------


def _replay(one: OneStep, rng: np.random.Generator) -> list[Finding]:
    user = one.user
    if user is not None:
        if user._advance is None:
            return []
        expected = one.copy(one.point)
        n = len(one.form.state.shapes)
        for k in range(one.k, one.k + 3):
            expected = [*one.call(one.copy(expected), k), *one.point[n:]]
        found = one.advance_user(user, one.copy(one.point), 3)
        return [
            _same(
                "advance over 3 steps gives the bits of 3 steps",
                one.form.state.paths,
                expected[:n],
                found,
                "Checkpoints are replayed by either: make both do the same arithmetic in the same "
                "order.",
            )
        ]
    claim = "its tape gives the step's bits at another point"
    tape = one.record(one.point, one.k)
    if tape.tape.depends_on_values is not None:
        return [
            Finding(claim, True, f"recorded afresh at each step: {tape.tape.depends_on_values}")
        ]
    # One percent, so that what must be positive stays so.
    other = [
        np.asarray(leaf * (1 + 0.01 * rng.standard_normal(leaf.shape))).astype(leaf.dtype)
        if leaf.dtype.kind in "fc"
        else leaf
        for leaf in one.point
    ]
    expected = one.call(one.copy(other), one.k + 1)
    return [
        _same(
            claim,
            one.form.state.paths,
            expected,
            one.replay(tape, other, one.k + 1),
            "The step does other things at other values, in a way that its recording doesn't show: "
            "through a captured object, or a function that NumPy doesn't see. Give it a vjp of its "
            "own with ra.step.",
        )
    ]


# -- derivatives ---------------------------------------------------------------------------------


def _derivatives(one: OneStep, directions: int, rng: np.random.Generator) -> list[Finding]:
    user = one.user
    base = one.call(one.copy(one.point), one.k)
    eps = max(precision(one.point), precision(base))
    tape = None if user is not None else one.record(one.point, one.k)
    by_differences = [_Worst() for _ in one.point]
    by_jvp = _Worst()
    for _ in range(directions):
        w = _cotangent(base, rng)
        given = [leaf.copy() for leaf in w]
        if user is not None:
            pulled = one.pull_user(user, one.copy(one.point), given)
        else:
            assert tape is not None
            pulled = one.pull_tape(tape, given)
        everything = random_direction(one.point, rng)
        for i, part in enumerate(everything):
            if part is not None and part.size:
                only = [part if j == i else None for j in range(len(everything))]
                by_differences[i].add(*_against_differences(one, w, pulled, only, base, eps))
        pushed: list[Any] | None = None
        if tape is not None:
            pushed = one.push_tape(tape, everything)
        elif user is not None and user._jvp is not None:
            pushed = one.push_user(user, everything)
        if pushed is not None:
            size = _size(pulled, everything)
            difference = inner(w, pushed) - inner(pulled, everything)
            by_jvp.add(abs(difference), eps**0.6 * size, size)
    whose = "its own" if user is not None else "the"
    findings = [
        Finding(
            f"{whose} vjp agrees with differences in {path}",
            worst.ok,
            f"relative error {worst.relative:.1e}",
            "The cotangent of this leaf is wrong. Look at signs, at the point of evaluation (state "
            "k, not k + 1) and at factors such as the time step; or the step has a kink here.",
        )
        for path, worst in zip(one.paths, by_differences, strict=True)
        if worst.count
    ]
    if by_jvp.count:
        findings.append(
            Finding(
                f"{whose} vjp agrees with {whose} jvp",
                by_jvp.ok,
                f"relative difference {by_jvp.relative:.1e}",
                "One of them isn't the derivative; the lines above tell whether it is the vjp.",
            )
        )
    return findings


class _Worst:
    """The worst of several comparisons."""

    def __init__(self) -> None:
        self.ok = True
        self.relative = 0.0
        self.count = 0

    def add(self, error: float, allowed: float, size: float) -> None:
        self.count += 1
        # Not finite is bad, whichever way it compares.
        self.ok = self.ok and bool(error <= allowed)
        relative = error / size if size else (0.0 if error == 0.0 else float("inf"))
        self.relative = max(self.relative, relative)


def _against_differences(
    one: OneStep,
    w: Point,
    pulled: Sequence[Any],
    direction: Sequence[Array | None],
    base: Point,
    eps: float,
) -> tuple[float, float, float]:
    """Return the error of ⟨Jᵀ w, d⟩, what is allowed, and the size of such numbers."""

    def residual(h: float) -> float:
        point, moves = moved(one.point, direction, h)
        found = one.call(one.copy(point), one.k)
        change = [a - b if a.dtype.kind in "fc" else None for a, b in zip(found, base, strict=True)]
        return inner(w, change) - inner(pulled, moves)

    value = _size(w, base)
    noise = max(noise_level(residual, eps**0.6), eps * value)
    size = _size(pulled, direction)
    found = examine(
        residual,
        slope=inner(pulled, direction),
        size=size,
        value=value,
        noise=noise,
        eps=eps,
        rates=False,
    )
    return abs(found.error), found.error_tolerance, size


def _cotangent(state: Point, rng: np.random.Generator) -> Point:
    """Return random cotangents in which each leaf of the state weighs the same."""
    found = []
    for leaf in state:
        if leaf.dtype.kind not in "fc":
            found.append(np.zeros(leaf.shape))
            continue
        w = np.asarray(rng.standard_normal(leaf.shape))
        if leaf.dtype.kind == "c":
            w = w + 1j * np.asarray(rng.standard_normal(leaf.shape))
        found.append(np.asarray(w / root_mean_square(leaf)).astype(leaf.dtype))
    return found


def _size(a: Sequence[Any], b: Sequence[Any]) -> float:
    """Return the root of Σ |a_i b_i|²: the size of Σ a_i b_i for random signs."""
    total = 0.0
    for x, y in zip(a, b, strict=True):
        if x is not None and y is not None:
            total += float(np.sum(np.abs(np.asarray(x) * np.asarray(y)).astype(float) ** 2))
    return float(np.sqrt(total))


def _same(
    claim: str, paths: Sequence[str], expected: Sequence[Any], found: Sequence[Any], remedy: str
) -> Finding:
    wrong = _unequal(paths, expected, found)
    measured = f"differs: {', '.join(wrong)}" if wrong else "bit for bit"
    return Finding(claim, not wrong, measured, remedy)


def _unequal(paths: Sequence[str], a: Sequence[Any], b: Sequence[Any]) -> list[str]:
    return [
        path
        for path, x, y in zip(paths, a, b, strict=True)
        if np.asarray(x).tobytes() != np.asarray(y).tobytes()
    ]
