from http import HTTPStatus
from typing import Any

import httpx

from ... import errors
from ...client import AuthenticatedClient, Client
from ...models.audit_event_request import AuditEventRequest
from ...models.batch_audit_event_response import BatchAuditEventResponse
from ...models.problem import Problem
from ...types import Response


def _get_kwargs(
    *,
    body: list[AuditEventRequest],
) -> dict[str, Any]:
    headers: dict[str, Any] = {}

    _kwargs: dict[str, Any] = {
        "method": "post",
        "url": "/api/v1/audit/events/batch",
    }

    _kwargs["json"] = []
    for body_item_data in body:
        body_item = body_item_data.to_dict()
        _kwargs["json"].append(body_item)

    headers["Content-Type"] = "application/json"

    _kwargs["headers"] = headers
    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> BatchAuditEventResponse | Problem | None:
    if response.status_code == 201:
        response_201 = BatchAuditEventResponse.from_dict(response.json())

        return response_201

    if response.status_code == 400:
        response_400 = Problem.from_dict(response.json())

        return response_400

    if response.status_code == 500:
        response_500 = Problem.from_dict(response.json())

        return response_500

    if client.raise_on_unexpected_status:
        raise errors.UnexpectedStatus(response.status_code, response.content)
    else:
        return None


def _build_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Response[BatchAuditEventResponse | Problem]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    *,
    client: AuthenticatedClient | Client,
    body: list[AuditEventRequest],
) -> Response[BatchAuditEventResponse | Problem]:
    """Write audit events in one transaction

     All or nothing, of any length. Differs from the single event: `version` is not stored (it becomes
    1.0), the parent is not looked up, and nothing is kept in Redis when the database fails.

    Args:
        body (list[AuditEventRequest]):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[BatchAuditEventResponse | Problem]
    """

    kwargs = _get_kwargs(
        body=body,
    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)


def sync(
    *,
    client: AuthenticatedClient | Client,
    body: list[AuditEventRequest],
) -> BatchAuditEventResponse | Problem | None:
    """Write audit events in one transaction

     All or nothing, of any length. Differs from the single event: `version` is not stored (it becomes
    1.0), the parent is not looked up, and nothing is kept in Redis when the database fails.

    Args:
        body (list[AuditEventRequest]):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        BatchAuditEventResponse | Problem
    """

    return sync_detailed(
        client=client,
        body=body,
    ).parsed


async def asyncio_detailed(
    *,
    client: AuthenticatedClient | Client,
    body: list[AuditEventRequest],
) -> Response[BatchAuditEventResponse | Problem]:
    """Write audit events in one transaction

     All or nothing, of any length. Differs from the single event: `version` is not stored (it becomes
    1.0), the parent is not looked up, and nothing is kept in Redis when the database fails.

    Args:
        body (list[AuditEventRequest]):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[BatchAuditEventResponse | Problem]
    """

    kwargs = _get_kwargs(
        body=body,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    *,
    client: AuthenticatedClient | Client,
    body: list[AuditEventRequest],
) -> BatchAuditEventResponse | Problem | None:
    """Write audit events in one transaction

     All or nothing, of any length. Differs from the single event: `version` is not stored (it becomes
    1.0), the parent is not looked up, and nothing is kept in Redis when the database fails.

    Args:
        body (list[AuditEventRequest]):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        BatchAuditEventResponse | Problem
    """

    return (
        await asyncio_detailed(
            client=client,
            body=body,
        )
    ).parsed
