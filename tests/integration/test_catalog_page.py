"""docs/catalog.md is true: its commands are run, and print what stands below them."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from kubernaut_client.catalog import load
from kubernaut_client.emulator import Emulator
from tests.integration.cli_catalog import EXAMPLES
from tests.unit.cli.tools import COMMAND, PATIENCE, call, environment

pytestmark = pytest.mark.emulator

PAGE = Path(__file__).parents[2] / "docs" / "catalog.md"
CONSOLE = re.compile(r"(?<=```console\n).*?(?=```\n)", re.DOTALL)
PROGRESS = re.compile(r"^apply: \d+ of \d+(: .*)?\n", re.MULTILINE)
RAISED = "oomkill-increase-memory-limits.yaml"
# What the page does with git, without a repository: the branch is the example, a revert is its file.
GIT = {
    "git worktree add --quiet base origin/main": "cp -r examples base",
    "git revert --no-edit HEAD~2": f"cp examples/catalog/{RAISED} catalog/{RAISED}",
}
BROKEN = """\
kind: WorkflowSchema
apiVersion: kubernaut.io/v1alpha1
metadata:
  workflow_id: pod-restart
  version: 1.0
  description: Restarts a pod that hangs.
labels:
  signal_type: PodNotReady
  severity: urgent
  component: pod
  environment: production
  priority: P2
  risk_tolerance: low
execution:
  engine: tekton
parameters:
  - name: POD
    type: string
    description: Name of the pod
"""


def transcript(blocks: list[str], place: Path, url: str) -> list[str]:
    """The console blocks of a page with what their commands print now."""
    shutil.copytree(EXAMPLES, place / "catalog")
    shutil.copytree(EXAMPLES, place / "examples" / "catalog")
    (place / "broken").mkdir()
    (place / "broken" / "pod-restart.yaml").write_text(BROKEN, "utf-8")
    shim = place / "bin" / "kubernaut-client"
    shim.parent.mkdir()
    shim.write_text(f'#!/bin/sh\nexec {shlex.join(COMMAND)} "$@"\n')
    shim.chmod(0o755)
    python = shim.with_name("python3")
    python.symlink_to(sys.executable)
    path = f"{shim.parent}:{environment()['PATH']}"
    found: list[str] = []
    for block in blocks:
        lines: list[str] = []
        for line in block.splitlines():
            if not line.startswith("$ "):
                continue
            done = subprocess.run(
                ["sh", "-c", GIT.get(line[2:], line[2:])],
                cwd=place,
                env=environment({"PATH": path, "KUBERNAUT_DATASTORAGE_URL": url}),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                encoding="utf-8",
                timeout=PATIENCE,
                check=False,
            )
            lines.append(f"{line}\n{PROGRESS.sub('', done.stdout)}")
        found.append("".join(lines))
    return found


def test_the_commands_print_what_the_page_says(emulator: Emulator, tmp_path: Path) -> None:
    blocks = CONSOLE.findall(PAGE.read_text("utf-8"))
    assert len(blocks) > 10
    for written, printed in zip(blocks, transcript(blocks, tmp_path, emulator.url), strict=True):
        assert printed == written


def test_the_files_of_the_page_are_files_of_a_catalog(tmp_path: Path) -> None:
    schema, payload, _ = re.findall(r"```yaml\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    (tmp_path / "pod-restart").mkdir()
    (tmp_path / "pod-restart" / "1.0.0.yaml").write_text(schema, "utf-8")
    (tmp_path / "payload.yaml").write_text(payload, "utf-8")
    (workflow,) = load(tmp_path)
    assert (workflow.workflow_name, workflow.version, workflow.owner) == ("pod-restart", "1.0.0", "platform-team")
    assert workflow.content == schema


def test_the_jobs_of_the_page_use_commands_and_options_that_exist() -> None:
    *_, text = re.findall(r"```yaml\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    jobs = yaml.safe_load(text)["jobs"]
    runs = [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step]
    commands = [run.split()[1:] for run in runs if run.startswith("kubernaut-client ")]
    assert [words[0] for words in commands] == ["validate", "plan", "wait", "apply"]
    for words in commands:
        assert call(*words, "--help").code == 0
    assert call("apply", "catalog/", "--no-such-option", "--help").code == 2
