"""Searches against the emulator, in both colours: the recorded scores, and what the service's search leaves out."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kubernaut_client import InvalidRequestError
from kubernaut_client.emulator import Emulator
from kubernaut_client.models import DetectedLabels
from tests.colours import COLOURS, opened
from tests.contract.recorded import replay
from tests.workflows import workflow

pytestmark = pytest.mark.emulator

RECORDED = Path(__file__).resolve().parents[1] / "contract" / "recorded" / "exchanges.jsonl"
SCENARIOS: dict[str, list[dict[str, Any]]] = {
    scenario["id"]: scenario["steps"]
    for scenario in map(json.loads, RECORDED.read_text("utf-8").splitlines())
    if scenario["id"].startswith("search-") and scenario["steps"][-1]["answer"]["status"] == 200
}
NUMBERS = ("rank", "final_score", "confidence", "label_boost", "label_penalty")
LABELS: dict[str, Any] = workflow()["labels"]


@pytest.fixture(params=COLOURS)
def client(emulator: Emulator, request: pytest.FixtureRequest) -> Iterator[Any]:
    with opened(request.param, emulator.url) as client:
        yield client


def test_there_are_scenarios() -> None:
    assert len(SCENARIOS) >= 15


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_recorded_scores(client: Any, name: str) -> None:
    """What was recorded is asked for by the method, on what was recorded as stored."""
    *stored, asked = (replay.fill(step["json"], {"u": "u0123456789ab"}) for step in SCENARIOS[name])
    for payload in stored:
        if "workflow_name" in payload:
            client.workflows.create(payload)
    filters = {key: value for key, value in asked.pop("filters").items() if key != "status"}  # has no effect
    found = client.workflows.search(**filters, **asked)
    expected = SCENARIOS[name][-1]["answer"]["json"]
    assert found.total_results == expected["total_results"]
    shown = [tuple(getattr(row, number) for number in NUMBERS) for row in found.workflows]
    assert shown == [tuple(row[number] for number in NUMBERS) for row in expected["workflows"]]


def test_the_range_of_scores(client: Any) -> None:
    """As the docstring tells it: around 0.5, and above 0.539 by custom labels alone."""
    everything = DetectedLabels(
        git_ops_managed=True,
        git_ops_tool="flux",
        pdb_protected=True,
        hpa_enabled=True,
        stateful=True,
        helm_managed=True,
        network_isolated=True,
        service_mesh="istio",
    )
    client.workflows.create(workflow("all", detected_labels=everything.to_dict(), custom_labels={"team": ["a", "*"]}))
    client.workflows.create(workflow("none"))
    scores = [row.final_score for row in client.workflows.search(**LABELS, detected_labels=everything).workflows]
    assert scores == [0.539, 0.48]
    assert client.workflows.search(**LABELS, detected_labels=everything, min_score=0.54).workflows == []
    custom = client.workflows.search(**LABELS, custom_labels={"team": ["a"] * 10, "other": ["x"]}, top_k=1)
    assert [row.final_score for row in custom.workflows] == [0.55]


def test_only_the_latest_and_active(client: Any) -> None:
    def found(**options: Any) -> list[str]:
        return [row.description for row in client.workflows.search(**LABELS, **options).workflows]

    client.workflows.create(workflow("a", "1.0.0", description="old"))
    newer = client.workflows.create(workflow("a", "1.1.0", description="new"))
    assert found() == ["new"]
    client.workflows.disable(newer.workflow_id)
    assert found() == []
    assert found(include_disabled=True) == ["new"]


@pytest.mark.parametrize("value", ['a"b', "a\\u0062", "a\nb"])
def test_a_value_that_would_break_the_query_is_not_sent(client: Any, emulator: Emulator, value: str) -> None:
    with pytest.raises(InvalidRequestError, match="JSON text") as caught:
        client.workflows.search(**LABELS, custom_labels={"team": [value]})
    assert caught.value.field == "custom_labels.team[0]"
    assert emulator.requests == ()
