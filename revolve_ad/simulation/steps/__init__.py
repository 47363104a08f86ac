"""The user's step: called plainly, recorded as a tape, blamed by its number, line and leaf."""

__all__: list[str] = []
