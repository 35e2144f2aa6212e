from typing import Literal, cast

Severity = Literal["critical", "high", "low", "medium"]

SEVERITY_VALUES: set[Severity] = {
    "critical",
    "high",
    "low",
    "medium",
}


def check_severity(value: str) -> Severity:
    """Return the value as it came; one from a newer service passes through"""
    return cast(Severity, value)
