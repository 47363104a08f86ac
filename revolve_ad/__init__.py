"""Exact gradients of time-stepping simulations, in the memory you have."""
