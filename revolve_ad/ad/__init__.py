"""The adjoint core: recorded NumPy as a tape, and its derivatives as tapes."""
