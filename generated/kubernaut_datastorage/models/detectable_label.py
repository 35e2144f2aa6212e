from typing import Literal, cast

DetectableLabel = Literal[
    "gitOpsManaged", "helmManaged", "hpaEnabled", "networkIsolated", "pdbProtected", "serviceMesh", "stateful"
]

DETECTABLE_LABEL_VALUES: set[DetectableLabel] = {
    "gitOpsManaged",
    "helmManaged",
    "hpaEnabled",
    "networkIsolated",
    "pdbProtected",
    "serviceMesh",
    "stateful",
}


def check_detectable_label(value: str) -> DetectableLabel:
    """Return the value as it came; one from a newer service passes through"""
    return cast(DetectableLabel, value)
