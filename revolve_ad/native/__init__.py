"""A recorded step, fused and compiled to loops, forward and in reverse."""

from revolve_ad.native.choice import compile_loop
from revolve_ad.native.compiled import Compiled, Refusal, compile_tape
from revolve_ad.native.explain import Explanation, explain
from revolve_ad.native.loop import Layout, Loop
from revolve_ad.native.sweep import Block, Sweep

__all__ = [
    "Block",
    "Compiled",
    "Explanation",
    "Layout",
    "Loop",
    "Refusal",
    "Sweep",
    "compile_loop",
    "compile_tape",
    "explain",
]
