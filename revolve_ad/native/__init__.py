"""A recorded step, fused and compiled to loops, forward and in reverse."""

from revolve_ad.native.compiled import Compiled, Refusal, compile_tape

__all__ = ["Compiled", "Refusal", "compile_tape"]
