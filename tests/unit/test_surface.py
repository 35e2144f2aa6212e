"""The public surface: the names of the package, and that both colours offer the same."""

import ast
import importlib
import inspect
from pathlib import Path
from typing import Any

import pytest

import kubernaut_client
from kubernaut_client import AsyncDataStorageClient, DataStorageClient, models
from kubernaut_client._sync.audit import Audit
from kubernaut_client._sync.health import Health
from kubernaut_client._sync.notifications import Notifications
from kubernaut_client._sync.workflows import Workflows
from kubernaut_client.audit import AsyncAudit
from kubernaut_client.health import AsyncHealth
from kubernaut_client.notifications import AsyncNotifications
from kubernaut_client.workflows import AsyncWorkflows

SOURCE = Path(inspect.getfile(kubernaut_client))
NAMES = sorted(set(kubernaut_client.__all__) - {"__version__"})

# Frozen: what callers import. Taking a name away, or renaming it, breaks them.
PUBLIC = """
    APIError AsyncDataStorageClient AuditReceipt AuthenticationError BadRequestError BatchResult BootstrapError
    BootstrapReport CallRecord
    CatalogError ConfigurationError ConflictError ConnectError ConnectionDroppedError DataStorageClient DatabaseError
    Difference EnsureResult HealthStatus ImmutableFieldError InternalServerError InvalidField InvalidRequestError
    KubernautError NotFoundError NotificationReceipt Outcome PayloadTooLargeError PermissionDeniedError Plan PlanRow
    Problem RateLimitError ReportRow RequestTimeoutError ResponseDecodeError RetryPolicy ServerError
    ServiceUnavailableError SpoolError TransportError ValidationError
""".split()
MODELS = """
    UNSET AuditEvent AuditEventRequest DetectedLabels MandatoryLabels NotificationAudit NotificationAuditResponse
    RemediationWorkflow StoredWorkflow Unset WorkflowSearchResponse WorkflowSearchResult
""".split()


def imported_for_type_checkers() -> dict[str, str]:
    """name → module, from the imports under TYPE_CHECKING."""
    tree = ast.parse(SOURCE.read_text("utf-8"))
    blocks = [
        node
        for node in tree.body
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
    ]
    assert len(blocks) == 1
    found: dict[str, str] = {}
    for node in blocks[0].body:
        assert isinstance(node, ast.ImportFrom)
        assert node.level == 1
        for name in node.names:
            assert name.asname is None
            found[name.name] = str(node.module)
    return found


# Names ---------------------------------------------------------------------------------------------------------------


def test_the_names_are_the_frozen_ones() -> None:
    assert set(NAMES) >= set(PUBLIC)
    assert sorted(models.__all__) == sorted(MODELS)


def test_all_has_each_name_once() -> None:
    assert len(kubernaut_client.__all__) == len(set(kubernaut_client.__all__))


def test_every_name_comes_from_where_type_checkers_are_told() -> None:
    told = imported_for_type_checkers()
    assert sorted(told) == NAMES
    for name, module in told.items():
        home = importlib.import_module(f"kubernaut_client.{module}")
        assert getattr(kubernaut_client, name) is getattr(home, name)
        value = getattr(kubernaut_client, name)
        assert value.__name__ == name


def test_dir_lists_every_name_before_it_was_used() -> None:
    assert set(kubernaut_client.__all__) <= set(dir(kubernaut_client))


@pytest.mark.parametrize("name", ["Nothing", "APIerror", "httpx", "__wrapped__", ""])
def test_other_names_do_not_exist(name: str) -> None:
    with pytest.raises(AttributeError, match=r"has no attribute"):
        getattr(kubernaut_client, name)


def test_star_import() -> None:
    names: dict[str, Any] = {}
    exec("from kubernaut_client import *", names)  # noqa: S102 - a statement that only exec can make here
    assert set(kubernaut_client.__all__) <= set(names)


def test_the_models_are_the_generated_ones() -> None:
    for name in MODELS:
        value = getattr(models, name)
        kind = value if isinstance(value, type) else type(value)
        assert kind.__module__.startswith("kubernaut_datastorage.")


# Both colours --------------------------------------------------------------------------------------------------------


def members(cls: type) -> dict[str, Any]:
    """The public members of a class, inherited ones included."""
    return {name: inspect.getattr_static(cls, name) for name in dir(cls) if not name.startswith("_")}


def parameters(function: Any) -> list[tuple[str, Any, Any]]:
    """Name, kind and default of each parameter."""
    return [(p.name, p.kind, p.default) for p in inspect.signature(function).parameters.values()]


PAIRS: list[tuple[type, type]] = [
    (DataStorageClient, AsyncDataStorageClient),
    (Workflows, AsyncWorkflows),
    (Audit, AsyncAudit),
    (Notifications, AsyncNotifications),
    (Health, AsyncHealth),
]
METHODS = [
    (one, other, name) for one, other in PAIRS for name in members(one) if inspect.isfunction(members(one)[name])
]


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_both_colours_have_the_same_members(one: type, other: type) -> None:
    # An async context manager's close is aclose elsewhere, so the async client has both.
    extra = {"aclose"} if other is AsyncDataStorageClient else set[str]()
    assert members(other).keys() - members(one).keys() == extra
    assert members(one).keys() <= members(other).keys()
    assert parameters(one) == parameters(other)


def test_there_are_methods_to_compare() -> None:
    assert len(METHODS) > 20


@pytest.mark.parametrize(("one", "other", "name"), METHODS, ids=[f"{one.__name__}.{name}" for one, _, name in METHODS])
def test_both_colours_take_the_same(one: type, other: type, name: str) -> None:
    sync, asynchronous = getattr(one, name), getattr(other, name)
    assert parameters(sync) == parameters(asynchronous)
    assert not inspect.iscoroutinefunction(sync)
    if name not in ("list", "query", "with_options"):
        assert inspect.iscoroutinefunction(asynchronous)


@pytest.mark.parametrize(("one", "other", "name"), METHODS, ids=[f"{one.__name__}.{name}" for one, _, name in METHODS])
def test_both_colours_say_the_same(one: type, other: type, name: str) -> None:
    if (one, name) == (DataStorageClient, "close"):
        return  # of what each closes
    assert inspect.getdoc(getattr(one, name)) == inspect.getdoc(getattr(other, name))


@pytest.mark.parametrize(("one", "other", "name"), METHODS, ids=[f"{one.__name__}.{name}" for one, _, name in METHODS])
def test_annotations_differ_in_colour_only(one: type, other: type, name: str) -> None:
    def plain(function: Any) -> dict[str, str]:
        found = {key: str(value) for key, value in function.__annotations__.items()}
        return {key: value.replace("AsyncIterator", "Iterator") for key, value in found.items()}

    assert plain(getattr(one, name)) == plain(getattr(other, name))


def test_every_method_of_a_resource_takes_both_limits() -> None:
    resources = (Workflows, Audit, Notifications, Health, AsyncWorkflows, AsyncAudit, AsyncNotifications, AsyncHealth)
    for cls in resources:
        for name, value in members(cls).items():
            if not inspect.isfunction(value) or name in ("wait_until_ready", "wait_for"):
                continue
            taken = inspect.signature(value).parameters
            for limit in ("timeout", "deadline"):
                assert taken[limit].kind is inspect.Parameter.KEYWORD_ONLY, f"{cls.__name__}.{name}"
                assert taken[limit].default is None


def test_options_are_keyword_only() -> None:
    for cls in (DataStorageClient, AsyncDataStorageClient):
        taken = list(inspect.signature(cls).parameters.values())
        assert taken[0].name == "base_url"
        assert all(parameter.kind is inspect.Parameter.KEYWORD_ONLY for parameter in taken[1:])


def test_with_options_has_every_option_of_a_view() -> None:
    """What a view can't have of its own belongs to the connections."""
    connections = {"base_url", "token", "tls", "http_client"}
    for cls in (DataStorageClient, AsyncDataStorageClient):
        taken = set(inspect.signature(cls).parameters) - connections
        assert set(inspect.signature(cls.with_options).parameters) - {"self"} == taken


SIGNATURES = {
    "create": ["workflow"],
    "get": ["workflow_id"],
    "list": ["status", "environment", "priority", "component", "page_size"],
    "versions": ["workflow_name"],
    "search": """
        signal_type severity component environment priority custom_labels detected_labels top_k min_score
        include_disabled remediation_id
    """.split(),
    "update": ["workflow_id", "status", "disabled_by", "disabled_reason"],
    "disable": ["workflow_id", "reason", "updated_by"],
    "republish": ["workflow_id", "version", "content", "version_notes"],
    "ensure": ["workflow", "allow_demote"],
    "plan": ["workflows", "allow_demote"],
    "apply": ["plan", "concurrency", "on_drift", "progress"],
    "bootstrap": ["workflows", "allow_demote", "concurrency", "on_drift", "progress"],
}


@pytest.mark.parametrize("name", SIGNATURES)
def test_the_parameters_of_the_workflow_methods(name: str) -> None:
    taken = list(inspect.signature(getattr(Workflows, name)).parameters.values())[1:]
    assert [parameter.name for parameter in taken] == [*SIGNATURES[name], "timeout", "deadline"]
    positional = [p.name for p in taken if p.kind is not inspect.Parameter.KEYWORD_ONLY]
    assert positional == ([] if name in ("list", "search") else SIGNATURES[name][:1])


FILTERS = "event_type event_category event_outcome severity correlation_id since until".split()
AUDIT_SIGNATURES = {
    "write": ["event", "timeout", "deadline"],
    "write_batch": ["events", "timeout", "deadline"],
    "query": [*FILTERS, "page_size", "timeout", "deadline"],
    "wait_for": ["count", "timeout", *FILTERS],
}


@pytest.mark.parametrize("name", AUDIT_SIGNATURES)
def test_the_parameters_of_the_audit_methods(name: str) -> None:
    taken = list(inspect.signature(getattr(Audit, name)).parameters.values())[1:]
    assert [parameter.name for parameter in taken] == AUDIT_SIGNATURES[name]
    positional = [p.name for p in taken if p.kind is not inspect.Parameter.KEYWORD_ONLY]
    assert positional == ([] if name == "query" else AUDIT_SIGNATURES[name][:1])


# Docstrings ----------------------------------------------------------------------------------------------------------


def test_every_public_class_and_method_has_a_docstring() -> None:
    silent: list[str] = []
    for cls in [getattr(kubernaut_client, name) for name in NAMES] + [cls for pair in PAIRS for cls in pair]:
        if not cls.__doc__ or cls.__doc__.startswith(f"{cls.__name__}("):  # what dataclass makes up
            silent.append(cls.__name__)
        for name, value in vars(cls).items():
            if not name.startswith("_") and inspect.isfunction(value) and not value.__doc__:
                silent.append(f"{cls.__name__}.{name}")
    assert silent == []


def test_every_module_has_a_docstring() -> None:
    files = [*SOURCE.parent.glob("*.py"), *SOURCE.parent.glob("_sync/*.py")]
    assert len(files) > 18
    assert [str(file) for file in files if not ast.get_docstring(ast.parse(file.read_text("utf-8")))] == []
