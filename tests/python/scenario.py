"""The tool that every scenario has."""


def read_level(gate: str) -> str:
    """Reads the level of a gate."""
    return f"The {gate} gate is at 1.2."
