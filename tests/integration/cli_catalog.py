"""Catalog files for the tests of the commands, and a catalog in which every action occurs."""

import json
import signal
import subprocess
from pathlib import Path
from typing import Any

from kubernaut_client import DataStorageClient
from kubernaut_client.emulator import Emulator
from tests.unit.cli.tools import COMMAND, PATIENCE, Ran, environment
from tests.workflows import workflow

EXAMPLES = Path(__file__).parents[2] / "examples" / "catalog"
ACTIONS = ("create", "unchanged", "superseded", "drifted", "demotes")
ESCAPES = "\x1b]0;title\x07\x1b[31m\x9b\u202e"
HOSTILE = (
    "a/../../b",
    "../..",
    ".hidden",
    "~root",
    "/etc/passwd",
    "-rf",
    "CON",
    "Case",
    "case",
    "line\nfeed\r",
    f"esc{ESCAPES}",
    "x" * 255,
    "quote'\"$(id)`id`",
)


def schema(name: str, version: str = "1.0.0", description: str = "Restarts a pod.") -> str:
    """A WorkflowSchema document."""
    return f"""\
kind: WorkflowSchema
apiVersion: kubernaut.io/v1alpha1
metadata:
  workflow_id: {name}
  version: "{version}"
  description: {description}
labels:
  signal_type: OOMKilled
  severity: critical
  risk_tolerance: low
  component: pod
  environment: production
  priority: P0
execution:
  engine: tekton
  bundle: registry.example/{name}@sha256:{"0" * 64}
parameters:
  - name: POD
    type: string
    required: true
    description: The pod
"""


def write(directory: Path, *documents: str | dict[str, Any]) -> Path:
    """A directory of catalog files: texts as YAML, request bodies as JSON."""
    directory.mkdir(exist_ok=True)
    for number, document in enumerate(documents):
        suffix, text = ("yaml", document) if isinstance(document, str) else ("json", json.dumps(document))
        (directory / f"{number:04}.{suffix}").write_text(text, "utf-8")
    return directory


def every_action(emulator: Emulator, directory: Path) -> Path:
    """Files of which a plan has one row for each of `ACTIONS`, named for it, and one that an operator has disabled."""
    stored = [
        workflow("unchanged"),
        workflow("superseded"),
        workflow("superseded", "1.1.0", description="Newer"),
        workflow("drifted", description="Stored", owner="team a", content="one\ntwo\nthree\n"),
        workflow("demotes", "2.0.0"),
        workflow("disabled"),
    ]
    with DataStorageClient(emulator.url) as client:
        created = [client.workflows.create(row) for row in stored]
        client.workflows.disable(created[-1].workflow_id, reason="on purpose", updated_by="operator")
    drifted = workflow("drifted", description="Wanted", content="one\n2\nthree\n")
    return write(
        directory, *(workflow(name) if name != "drifted" else drifted for name in ACTIONS), workflow("disabled")
    )


class Running:
    """A command that runs in a process of its own, with pipes."""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [*COMMAND, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            env=environment({"PYTHONUNBUFFERED": "1"}),
        )

    def stopped(self, number: signal.Signals) -> Ran:
        """What it came to after a signal."""
        self.process.send_signal(number)
        stdout, stderr = self.process.communicate(timeout=PATIENCE)
        return Ran(self.process.returncode, stdout, stderr)

    def __enter__(self) -> "Running":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()
