"""Typed client for Data Storage, the HTTP service that holds Kubernaut's workflow catalog and audit trail.

Every public name is loaded on first use (PEP 562): importing this package loads neither httpx nor the generated models.

    from kubernaut_client import DataStorageClient

    with DataStorageClient("http://localhost:8080") as client:
        report = client.workflows.bootstrap(workflows)
"""

# Importing typing for its TYPE_CHECKING costs as much as the whole budget of this module; type checkers know the name.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from .client import AsyncDataStorageClient, DataStorageClient
    from .errors import (
        APIError,
        Attempt,
        AuthenticationError,
        BadRequestError,
        BootstrapError,
        CatalogError,
        ConfigurationError,
        ConflictError,
        ConnectError,
        ConnectionDroppedError,
        DatabaseError,
        ImmutableFieldError,
        InternalServerError,
        InvalidField,
        InvalidRequestError,
        KubernautError,
        NotFoundError,
        Outcome,
        PayloadTooLargeError,
        PermissionDeniedError,
        RateLimitError,
        RequestTimeoutError,
        ResponseDecodeError,
        ServerError,
        ServiceUnavailableError,
        SpoolError,
        TransportError,
        ValidationError,
    )
    from .operations import CallRecord, HealthStatus
    from .plan import Difference, Plan, PlanRow
    from .problems import Problem
    from .receipts import AuditReceipt, BatchResult, NotificationReceipt
    from .report import BootstrapReport, EnsureResult, ReportRow
    from .retry import RetryPolicy
    from .spool.report import SpoolAlarm, SpoolReport, SpoolStatus
    from .spool.writer import AuditWriter

__version__ = "0.1.0"

_HOMES = {
    "client": "AsyncDataStorageClient DataStorageClient",
    "errors": """
        APIError Attempt AuthenticationError BadRequestError BootstrapError CatalogError ConfigurationError
        ConflictError ConnectError ConnectionDroppedError DatabaseError ImmutableFieldError
        InternalServerError InvalidField InvalidRequestError KubernautError NotFoundError Outcome PayloadTooLargeError
        PermissionDeniedError RateLimitError RequestTimeoutError ResponseDecodeError ServerError
        ServiceUnavailableError SpoolError TransportError ValidationError
    """,
    "operations": "CallRecord HealthStatus",
    "plan": "Difference Plan PlanRow",
    "problems": "Problem",
    "receipts": "AuditReceipt BatchResult NotificationReceipt",
    "report": "BootstrapReport EnsureResult ReportRow",
    "retry": "RetryPolicy",
    "spool.report": "SpoolAlarm SpoolReport SpoolStatus",
    "spool.writer": "AuditWriter",
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names.split()}

__all__ = [
    "APIError",
    "AsyncDataStorageClient",
    "Attempt",
    "AuditReceipt",
    "AuditWriter",
    "AuthenticationError",
    "BadRequestError",
    "BatchResult",
    "BootstrapError",
    "BootstrapReport",
    "CallRecord",
    "CatalogError",
    "ConfigurationError",
    "ConflictError",
    "ConnectError",
    "ConnectionDroppedError",
    "DataStorageClient",
    "DatabaseError",
    "Difference",
    "EnsureResult",
    "HealthStatus",
    "ImmutableFieldError",
    "InternalServerError",
    "InvalidField",
    "InvalidRequestError",
    "KubernautError",
    "NotFoundError",
    "NotificationReceipt",
    "Outcome",
    "PayloadTooLargeError",
    "PermissionDeniedError",
    "Plan",
    "PlanRow",
    "Problem",
    "RateLimitError",
    "ReportRow",
    "RequestTimeoutError",
    "ResponseDecodeError",
    "RetryPolicy",
    "ServerError",
    "ServiceUnavailableError",
    "SpoolAlarm",
    "SpoolError",
    "SpoolReport",
    "SpoolStatus",
    "TransportError",
    "ValidationError",
    "__version__",
]


def __getattr__(name: str) -> object:
    module = _HOME_OF.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value: object = getattr(import_module(f"{__name__}.{module}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
