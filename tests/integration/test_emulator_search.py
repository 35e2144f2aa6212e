"""The emulator's search: against a plain statement of the service's rules, on a random catalog, and its odd corners."""

import json
import random
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from kubernaut_client.emulator import Emulator
from tests.integration.emulator_tools import WORKFLOWS, call
from tests.workflows import workflow

pytestmark = pytest.mark.emulator

SEARCH = f"{WORKFLOWS}/search"
MANDATORY = ("signal_type", "severity", "component", "environment", "priority")
FLAGS = {
    "gitOpsManaged": "0.10",
    "pdbProtected": "0.05",
    "networkIsolated": "0.03",
    "helmManaged": "0.02",
    "stateful": "0.02",
    "hpaEnabled": "0.02",
}
TOOLS = {"gitOpsTool": ("argocd", "flux"), "serviceMesh": ("istio", "linkerd")}
KEYS = ("team", "cost-center", "a.b", "ab")
VALUES = ("payments", "name=x", "it's", "<&>", "été", "*", "a\\u0062")

Row = dict[str, Any]


# ---- the rules, stated once more ------------------------------------------------------------------------------------


def expected(rows: list[Row], request: Row) -> list[Row]:
    """What the service finds among all rows, in order, as items of its reply."""
    filters = request["filters"]
    scored = [(*scores(row, filters), row) for row in rows if eligible(row, request)]
    least = Decimal(str(request.get("min_score", 0)))
    kept = [entry for entry in scored if entry[0] >= least]
    kept.sort(key=lambda entry: (entry[0], entry[3]["created_at"]), reverse=True)
    return [
        item(rank, score, boost, penalty, row)
        for rank, (score, boost, penalty, row) in enumerate(kept[: request.get("top_k", 10)], 1)
    ]


def eligible(row: Row, request: Row) -> bool:
    stored, wanted = row["labels"], request["filters"]
    return (
        row["is_latest_version"]
        and (row["status"] == "active" or request.get("include_disabled", False))
        and all(stored[name] == wanted[name] for name in MANDATORY if name != "component")
        and stored["component"] in (wanted["component"], "*")
    )


def scores(row: Row, filters: Row) -> tuple[Decimal, float, Decimal]:
    wanted, stored = filters.get("detected_labels", {}), row["detected_labels"]
    detected = custom = penalty = Decimal(0)
    for name, weight in FLAGS.items():
        if wanted.get(name) and stored.get(name):
            detected += Decimal(weight)
    for name, same, some in (("gitOpsTool", "0.10", "0.05"), ("serviceMesh", "0.05", "0.03")):
        if wanted.get(name) == "*":
            detected += Decimal(some) if stored.get(name) else 0
        elif wanted.get(name) and wanted[name] == stored.get(name):
            detected += Decimal(same)
    if wanted.get("gitOpsManaged") and not stored.get("gitOpsManaged"):
        penalty += Decimal("0.10")
    if wanted.get("gitOpsTool") not in (None, "*", stored.get("gitOpsTool")):
        penalty += Decimal("0.10")
    for key, values in filters.get("custom_labels", {}).items():
        has = row["custom_labels"].get(re.sub("[^A-Za-z0-9_-]", "", key), [])
        for value in values:
            decoded = value.replace("\\u0062", "b")  # the value is read as a JSON string
            custom += Decimal("0.05") if decoded in has else Decimal("0.03") if "*" in has else 0
    return (5 + detected + custom - penalty) / 10, float(detected) + float(custom), penalty


def item(rank: int, score: Decimal, boost: float, penalty: Decimal, row: Row) -> Row:
    shown: Row = {
        "workflow_id": str(row["workflow_id"]),
        "title": row["name"],
        "description": row["description"],
        "signal_type": row["labels"]["signal_type"],
        "confidence": float(score),
        "label_boost": boost,
        "label_penalty": float(penalty),
        "final_score": float(score),
        "rank": rank,
        "detected_labels": {name: value for name, value in row["detected_labels"].items() if value},
    }
    for name in ("container_image", "container_digest", "custom_labels"):
        if row[name]:
            shown[name] = row[name]
    return shown


# ---- random catalogs and requests -----------------------------------------------------------------------------------


def random_labels(chance: random.Random, components: tuple[str, ...]) -> Row:
    return {
        "signal_type": chance.choice(("OOMKilled", "OOMKilled", "oomkilled")),
        "severity": chance.choice(("critical", "critical", "critical", "low")),
        "component": chance.choice(components),
        "environment": chance.choice(("production", "production", "*")),
        "priority": chance.choice(("P0", "P0", "P0", "P1")),
    }


def random_detected(chance: random.Random) -> Row:
    flags = {name: chance.random() < 0.7 for name in FLAGS if chance.random() < 0.5}
    tools = {name: chance.choice((*values, "*")) for name, values in TOOLS.items() if chance.random() < 0.6}
    failed = {"failed_detections": ["stateful"]} if chance.random() < 0.2 else {}
    return {**failed, **flags, **tools}


def random_custom(chance: random.Random) -> Row:
    return {key: chance.choices(VALUES, k=chance.randint(0, 4)) for key in KEYS if chance.random() < 0.4}


def random_workflow(chance: random.Random, number: int) -> Row:
    members: Row = {
        "labels": random_labels(chance, ("pod", "deployment", "*")),
        "status": chance.choice(("active", "active", "active", "disabled", "archived")),
        "detected_labels": random_detected(chance),
        "custom_labels": random_custom(chance),
    }
    if chance.random() < 0.5:
        members["container_image"] = "registry.example/runner:1"
    # A version of a name that is there already takes "latest" from the one before.
    return workflow(f"w{chance.randrange(400)}", f"1.0.{number}", **members)


def random_request(chance: random.Random) -> Row:
    filters: Row = random_labels(chance, ("pod", "deployment"))
    if chance.random() < 0.8:
        filters["detected_labels"] = random_detected(chance)
    if chance.random() < 0.6:
        filters["custom_labels"] = random_custom(chance)
    if chance.random() < 0.2:
        filters["status"] = ["archived"]
    request: Row = {"filters": filters}
    if chance.random() < 0.5:
        request["top_k"] = chance.choice((1, 3, 100))
    if chance.random() < 0.5:
        request["min_score"] = chance.choice((0, 0.49, 0.5, 0.503, 0.505, 0.51, 0.515, 0.53))
    if chance.random() < 0.3:
        request["include_disabled"] = chance.random() < 0.7
    return request


@pytest.fixture(scope="module")
def full_emulator() -> Iterator[tuple[Emulator, list[Row]]]:
    """An emulator with 500 random workflows, and what its table holds."""
    chance = random.Random(11)
    with Emulator() as emulator:
        for number in range(500):
            answer = call(emulator, "POST", WORKFLOWS, random_workflow(chance, number))
            assert answer.status == 201, answer.body
        yield emulator, emulator.rows("remediation_workflow_catalog")


def test_the_rules_on_a_random_catalog(full_emulator: tuple[Emulator, list[Row]]) -> None:
    emulator, rows = full_emulator
    chance = random.Random(12)
    found: list[Row] = []
    for _ in range(200):
        request = random_request(chance)
        answer = call(emulator, "POST", SEARCH, request)
        assert answer.status == 200
        assert answer.json["workflows"] == expected(rows, request), request
        assert answer.json["total_results"] == len(answer.json["workflows"])
        found += answer.json["workflows"]
    # The comparison means something: many rows, many different scores, both penalties, and ranks beyond ten.
    assert len(found) > 1000 and len({row["final_score"] for row in found}) > 50
    assert {0, 0.1, 0.2} == {row["label_penalty"] for row in found} and max(row["rank"] for row in found) > 10


# ---- the corners ----------------------------------------------------------------------------------------------------


def filters(**more: Any) -> Row:
    return {**workflow()["labels"], **more}


def search(emulator: Emulator, request: Row) -> list[Row]:
    answer = call(emulator, "POST", SEARCH, request)
    assert answer.status == 200, answer.body
    rows: list[Row] = answer.json["workflows"]
    return rows


def test_digits_are_those_of_the_service(emulator: Emulator) -> None:
    call(emulator, "POST", WORKFLOWS, workflow(custom_labels={"t": ["a"]}, detected_labels={"gitOpsManaged": True}))
    wanted = filters(custom_labels={"t": ["a"]}, detected_labels={"gitOpsManaged": True})
    body = call(emulator, "POST", SEARCH, {"filters": wanted}).body
    # Decimals of the database added up as floats, and a whole number without a point.
    assert (
        b'"confidence":0.515,"label_boost":0.15000000000000002,"label_penalty":0,"final_score":0.515,"rank":1' in body
    )


def test_newest_first_among_equals(emulator: Emulator) -> None:
    ids = [call(emulator, "POST", WORKFLOWS, workflow(name)).json["workflow_id"] for name in ("a", "c", "b")]
    assert [row["workflow_id"] for row in search(emulator, {"filters": filters()})] == ids[::-1]


def test_a_disabled_newest_version_hides_the_older_ones(emulator: Emulator) -> None:
    call(emulator, "POST", WORKFLOWS, workflow("a", "1.0.0"))
    newest = call(emulator, "POST", WORKFLOWS, workflow("a", "2.0.0")).json["workflow_id"]
    call(emulator, "PATCH", f"{WORKFLOWS}/{newest}/disable", {})
    assert search(emulator, {"filters": filters()}) == []
    (row,) = search(emulator, {"filters": filters(), "include_disabled": True})
    assert row["workflow_id"] == newest


def test_many_custom_values_lift_the_score_without_a_cap(emulator: Emulator) -> None:
    call(emulator, "POST", WORKFLOWS, workflow(custom_labels={"t": ["*"]}))
    for values, boost, score in ((120, 3.6, 0.86), (170, 5.1, 1.01)):
        (row,) = search(emulator, {"filters": filters(custom_labels={"t": ["x"] * values})})
        assert (row["label_boost"], row["final_score"]) == (boost, score)


@pytest.mark.parametrize("value", ['a"b', 'a","b', "a\nb", "a\tb", "\x00", "\x1f", "a\\", "\\x"])
def test_values_that_are_no_json_string_are_a_500(emulator: Emulator, value: str) -> None:
    # Only a row that passes the filters makes the database look at the value.
    call(emulator, "POST", WORKFLOWS, workflow(custom_labels={"t": ["a"]}))
    answer = call(emulator, "POST", SEARCH, {"filters": filters(custom_labels={"t": [value]})})
    assert (answer.status, answer.json["detail"]) == (500, "Failed to search workflows")
    assert answer.json["type"] == "https://kubernaut.ai/problems/internal-error"


def test_values_that_are_a_500_in_an_empty_catalog_too(emulator: Emulator) -> None:
    answer = call(emulator, "POST", SEARCH, {"filters": filters(custom_labels={"t": ['a"b']})})
    assert answer.status == 500


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ({}, {"detected_labels": {}}),
        ({"more": 1, "Severity": "low"}, {"detected_labels": {}}),
        ({"status": [], "custom_labels": {}}, {"detected_labels": {}}),
        ({"status": ["archived", "active"]}, {"detected_labels": {}, "status": ["archived", "active"]}),
        ({"custom_labels": {"b": [], "a": ["x", "x"]}}, {"custom_labels": {"a": ["x", "x"], "b": []}}),
        (
            {"detected_labels": {"stateful": False, "helmManaged": True, "failed_detections": [], "other": 1}},
            {"detected_labels": {"helmManaged": True}},
        ),
    ],
)
def test_echo_of_the_filters(emulator: Emulator, given: Row, shown: Row) -> None:
    answer = call(emulator, "POST", SEARCH, {"filters": filters(**given)})
    # With a default filled in, members are sorted at every level: "severity" comes after "Severity", and counts.
    assert answer.json["filters"] == {**filters(), "detected_labels": {}, **shown}


def test_filters_are_matched_whatever_their_case(emulator: Emulator) -> None:
    given = {"filters": filters(Severity="low"), "top_k": 1, "min_score": 0, "include_disabled": False}
    # No default is filled in: the members come as they were sent, and the last one counts.
    assert call(emulator, "POST", SEARCH, given).json["filters"]["severity"] == "low"


@pytest.mark.parametrize(
    ("request_body", "detail"),
    [
        ({"filters": filters(signal_type="")}, "filters.signal_type is required"),
        ({"filters": filters(component="", environment="")}, "filters.component is required"),
        ({"filters": filters(environment="")}, "filters.environment is required"),
    ],
)
def test_what_the_handler_refuses(emulator: Emulator, request_body: Any, detail: str) -> None:
    answer = call(emulator, "POST", SEARCH, request_body)
    assert (answer.status, answer.json["detail"]) == (400, detail)
    assert answer.json["type"] == "https://kubernaut.ai/problems/bad-request"


@pytest.mark.parametrize("more", [', "min_score": 0, "include_disabled": false', ""], ids=["all given", "defaults"])
@pytest.mark.parametrize("number", ["3.0", "1e1", "1E+1"])
def test_a_whole_float_is_refused_in_the_digits_that_were_sent(emulator: Emulator, number: str, more: str) -> None:
    # Also where a default is filled in, for which the service writes the body anew.
    answer = call(emulator, "POST", SEARCH, f'{{"filters": {json.dumps(filters())}, "top_k": {number}{more}}}')
    where = "Go struct field WorkflowSearchRequest.top_k of type int"
    assert answer.status == 400 and answer.json["type"] == "https://kubernaut.ai/problems/bad-request"
    assert answer.json["detail"] == f"Invalid request body: json: cannot unmarshal number {number} into {where}"


@pytest.mark.parametrize(
    ("members", "found"),
    [
        ('"top_k": 2, "TOP_K": 5', 2),  # with a default filled in, members are sorted: the exact name comes last
        ('"TOP_K": 5', 10),
        ('"top_k": 7, "top_k": 3', 3),
        ('"top_k": 2, "TOP_K": 5, "min_score": 0, "include_disabled": false', 5),  # read as it was sent
    ],
)
def test_which_of_several_spellings_counts(emulator: Emulator, members: str, found: int) -> None:
    for number in range(11):
        call(emulator, "POST", WORKFLOWS, workflow(f"w{number}"))
    answer = call(emulator, "POST", SEARCH, f'{{"filters": {json.dumps(filters())}, {members}}}')
    assert (answer.status, len(answer.json["workflows"])) == (200, found)


def test_a_null_takes_the_default(emulator: Emulator) -> None:
    for number in range(11):
        call(emulator, "POST", WORKFLOWS, workflow(f"w{number}"))
    assert len(search(emulator, {"filters": filters(), "top_k": None, "min_score": None})) == 10


def test_the_echo_has_the_order_of_the_service(emulator: Emulator) -> None:
    given = filters(status=["active"], custom_labels={"b": ["1"], "a": ["2"]}, detected_labels={"stateful": True})
    echo = call(emulator, "POST", SEARCH, {"filters": dict(reversed(given.items()))}).json["filters"]
    assert list(echo)[5:] == ["detected_labels", "custom_labels", "status"]
    assert list(echo["custom_labels"]) == ["a", "b"]
