"""Writes rolled records as loops over scalar statements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from revolve_ad.ad.core import CAST
from revolve_ad.ad.strided import c_strides
from revolve_ad.native.rolling.buffers import Buffer
from revolve_ad.native.rolling.detect import Carry, External, Internal, LoopForm
from revolve_ad.native.rolling.records import Item, Program, Record
from revolve_ad.native.rolling.tree import (
    Access,
    Add,
    Affine,
    Carried,
    Let,
    Load,
    Loop,
    Statement,
    Store,
    Values,
)

__all__ = ["unfolded"]

Result = int | Buffer | None


def unfolded(program: Program, items: Sequence[Item], values: Values) -> list[Statement]:
    """Return rolled items as statements; buffers of the program keep their identity."""
    unfold = _Unfold(program, values)
    results: dict[int, list[Result]] = {}
    body: list[Statement] = []
    for item in items:
        refs = [results[id(r)][slot] for r, slot in item.refs]
        numbers = [Affine(n) for n in item.idx]
        results[id(item)] = unfold.item(item, numbers, item.flags, refs, body, 0)
    return body


class _Unfold:
    def __init__(self, program: Program, values: Values) -> None:
        self.program, self.values = program, values

    def item(
        self,
        item: Item,
        numbers: list[Affine],
        flags: Sequence[int],
        refs: list[Result],
        body: list[Statement],
        depth: int,
    ) -> list[Result]:
        """Append the statements of an item; return its results."""
        if isinstance(item.form, LoopForm):
            return self.loop(item.form, numbers, flags, refs, body, depth)
        return [self.record(item, numbers, flags, refs, body, depth)]

    def record(
        self,
        item: Item,
        numbers: list[Affine],
        flags: Sequence[int],
        refs: list[Result],
        body: list[Statement],
        depth: int,
    ) -> Result:
        form: Record = item.form
        buffer = self.program.arrays.get(id(item))
        if buffer is not None and depth:
            buffer.inside = True
        if 0 in form.shape:
            return buffer
        loops = [self.values.loop() if n > 1 else -1 for n in form.shape]
        inner: list[Statement] = []
        given, place, args = iter(refs), iter(zip(numbers, flags, strict=True)), []

        def access(strides: Sequence[int], target: Result) -> tuple[Access, int]:
            at, flag = next(place)
            for loop, stride in zip(loops, strides, strict=True):
                if loop >= 0:
                    at = at.moved(loop, stride)
            assert isinstance(target, Buffer)
            return Access(target, at), flag

        for operand in form.operands:
            if operand.kind == "value":
                found = next(given)
                assert isinstance(found, int)
                args.append(found)
            elif operand.kind == "number":
                let = self.values.literal(operand.literal, operand.dtype)
                inner.append(let)
                args.append(let.out)
            else:
                made = next(given) if operand.kind == "array" else operand.buffer
                where, flag = access(operand.strides, made)
                if where.buffer.inside and not where.buffer.fixed:
                    flag = 0
                value = self.values.new(operand.dtype)
                inner.append(Load(value, where, flag))
                args.append(value)
        if form.op is None:
            (value,) = args
        else:
            value = self.values.new(form.dtype)
            inner.append(Let(value, form.op, form.params, tuple(args)))
        if form.target is None:
            body.extend(inner)
            return value
        where, _ = access(form.target, buffer if form.makes else next(given))
        if self.values.dtypes[value] != where.buffer.dtype:
            value = self.cast(value, where.buffer.dtype, inner)
        if form.adds:
            inner.append(Add(where, value))
        else:
            inner.append(Store(where, value, form.makes))
        for loop, n in reversed(list(zip(loops, form.shape, strict=True))):
            if loop >= 0:
                inner = [Loop(loop, Affine(n), inner, free=True)]
        body.extend(inner)
        return buffer

    def cast(self, value: int, dtype: np.dtype[Any], body: list[Statement]) -> int:
        out = self.values.new(dtype)
        body.append(Let(out, CAST, (dtype,), (value,)))
        return out

    def loop(
        self,
        form: LoopForm,
        numbers: list[Affine],
        flags: Sequence[int],
        refs: list[Result],
        body: list[Statement],
        depth: int,
    ) -> list[Result]:
        values = self.values
        name = values.loop()
        carried: list[Carried] = []
        # Values and arrays that stand for an item's result some passes before.
        phis: dict[tuple[int, int, int], Result] = {}
        chains: dict[tuple[int, int], list[Any]] = {}
        for one in form.refs:
            for ref in one:
                if isinstance(ref, Carry):
                    chain = chains.setdefault((ref.item, ref.slot), [])
                    if len(ref.starts) > len(chain):
                        # starts[0] is the oldest.
                        chain[:] = [refs[s] for s in ref.starts]
        for (item, slot), chain in chains.items():
            for back, start in enumerate(reversed(chain), 1):
                if isinstance(start, Buffer):
                    copy = values.buffer("temp", start.shape, start.dtype)
                    copy.inside = True
                    self.copy(start, copy, body)
                    phis[item, slot, back] = copy
                else:
                    assert isinstance(start, int)
                    dtype = values.dtypes[start]
                    phi = values.new(dtype)
                    phis[item, slot, back] = phi
                    carried.append(Carried(phi, start, -1, values.new(dtype)))
        by_phi = {c.phi: c for c in carried}
        inner: list[Statement] = []
        results: list[list[Result]] = []
        at = 1
        for part, one in zip(form.body, form.refs, strict=True):
            n = len(part.idx)
            mine = [numbers[at + k].moved(name, form.steps[at + k - 1]) for k in range(n)]
            operands: list[Result] = []
            for ref in one:
                if isinstance(ref, External):
                    operands.append(refs[ref.ref])
                elif isinstance(ref, Internal):
                    operands.append(results[ref.item][ref.slot])
                else:
                    operands.append(phis[ref.item, ref.slot, ref.back])
            results.append(self.item(part, mine, flags[at : at + n], operands, inner, depth + 1))
            at += n
        for (item, slot), chain in chains.items():
            for back in range(len(chain), 0, -1):
                mine_ = phis[item, slot, back]
                newer = results[item][slot] if back == 1 else phis[item, slot, back - 1]
                if isinstance(mine_, Buffer):
                    assert isinstance(newer, Buffer)
                    self.copy(newer, mine_, inner)
                else:
                    assert isinstance(mine_, int)
                    assert isinstance(newer, int)
                    by_phi[mine_].next = newer
        out: list[Result] = []
        for q, found in enumerate(results):
            for slot, result in enumerate(found):
                if not isinstance(result, int):
                    out.append(result)
                    continue
                first = phis.get((q, slot, 1))
                if isinstance(first, int):
                    out.append(by_phi[first].out)
                    continue
                dtype = values.dtypes[result]
                zero = values.literal(dtype.type(0).item(), dtype)
                body.append(zero)
                exit_ = Carried(values.new(dtype), zero.out, result, values.new(dtype))
                carried.append(exit_)
                out.append(exit_.out)
        body.append(Loop(name, numbers[0], inner, carried=carried))
        return out

    def copy(self, source: Buffer, target: Buffer, body: list[Statement]) -> None:
        """Append a copy of a whole array."""
        if not source.size:
            return
        value, at = self.values.new(source.dtype), Affine(0)
        loops: list[tuple[int, int]] = []
        # A loop an axis, as operations on these arrays have, so that they can go together.
        for n, stride in zip(source.shape, c_strides(source.shape), strict=True):
            if n > 1:
                loops.append((self.values.loop(), n))
                at = at.moved(loops[-1][0], stride)
        inner: list[Statement] = [
            Load(value, Access(source, at)),
            Store(Access(target, at), value, True),
        ]
        for loop, n in reversed(loops):
            inner = [Loop(loop, Affine(n), inner, free=True)]
        body.extend(inner)
