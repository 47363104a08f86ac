"""From a budget of bytes and measured seconds to a schedule, with a forecast of what it costs."""

__all__: list[str] = []
