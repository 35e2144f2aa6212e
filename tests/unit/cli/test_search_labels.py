"""Which labels of a search matched, as the service compares them, and that the options know every label."""

from typing import Any, get_args

import pytest
from kubernaut_datastorage.models.event_outcome import EventOutcome
from kubernaut_datastorage.models.git_ops_tool import GitOpsTool
from kubernaut_datastorage.models.search_priority import SearchPriority
from kubernaut_datastorage.models.service_mesh import ServiceMesh
from kubernaut_datastorage.models.severity import Severity

from kubernaut_client.cli.audit_query import OUTCOMES
from kubernaut_client.cli.workflow_search import FLAGS, PRIORITIES, SEVERITIES, TOOLS, compared
from kubernaut_client.limits import DETECTED_LABELS


def test_the_options_know_what_the_contract_knows() -> None:
    # What failed to be detected has no effect on a search.
    assert {*FLAGS, *TOOLS} == {*DETECTED_LABELS.optional} - {"failed_detections"}
    assert {*TOOLS["gitOpsTool"]} == {*get_args(GitOpsTool)}
    assert {*TOOLS["serviceMesh"]} == {*get_args(ServiceMesh)}
    assert {*SEVERITIES} == {*get_args(Severity)}
    assert {*PRIORITIES} == {*get_args(SearchPriority)}
    assert {*OUTCOMES} == {*get_args(EventOutcome)}


@pytest.mark.parametrize(
    ("asked", "stored", "matched", "missing"),
    [
        ({}, {"stateful": True}, [], []),
        ({"stateful": True}, {"stateful": True}, ["stateful"], []),
        ({"stateful": True}, {"stateful": False}, [], ["stateful"]),
        ({"stateful": True}, None, [], ["stateful"]),
        ({"stateful": True}, "stateful", [], ["stateful"]),
        ({"gitOpsTool": "flux"}, {"gitOpsTool": "flux"}, ["gitOpsTool=flux"], []),
        ({"gitOpsTool": "flux"}, {"gitOpsTool": "argocd"}, [], ["gitOpsTool=flux"]),
        ({"gitOpsTool": "flux"}, {"gitOpsTool": "*"}, [], ["gitOpsTool=flux"]),
        ({"gitOpsTool": "*"}, {"gitOpsTool": "argocd"}, ["gitOpsTool=argocd"], []),
        ({"serviceMesh": "*"}, {"serviceMesh": "*"}, ["serviceMesh=*"], []),
        ({"serviceMesh": "*"}, {}, [], ["serviceMesh=*"]),
    ],
)
def test_detected(asked: dict[str, Any], stored: object, matched: list[str], missing: list[str]) -> None:
    assert compared(asked, {}, stored, None) == (matched, missing)


@pytest.mark.parametrize(
    ("asked", "stored", "matched", "missing"),
    [
        ({"team": ["a", "b"]}, {"team": ["b"]}, ["team=b"], ["team=a"]),
        ({"team": ["a", "a"]}, {"team": ["a"]}, ["team=a", "team=a"], []),
        ({"team": ["a", "b"]}, {"team": ["a", "*"]}, ["team=a", "team=b (by *)"], []),
        ({"team": ["*"]}, {"team": ["a"]}, [], ["team=*"]),
        ({"te.am": ["a"]}, {"team": ["a"]}, ["te.am=a"], []),
        ({"te.am": ["a"]}, {"te.am": ["a"]}, [], ["te.am=a"]),
        ({"team": ["a"]}, {"other": ["a"]}, [], ["team=a"]),
        ({"team": ["a"]}, {"team": "abc"}, [], ["team=a"]),
        ({"team": ["a"]}, None, [], ["team=a"]),
    ],
)
def test_custom(asked: dict[str, list[str]], stored: object, matched: list[str], missing: list[str]) -> None:
    assert compared({}, asked, None, stored) == (matched, missing)
