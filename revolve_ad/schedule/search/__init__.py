"""How the cheapest schedules are found: tables, prices and rules for where a chain is split."""

__all__: list[str] = []
