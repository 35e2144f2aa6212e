from http import HTTPStatus
from typing import Any

import httpx

from ... import errors
from ...client import AuthenticatedClient, Client
from ...models.accepted_response import AcceptedResponse
from ...models.audit_event_request import AuditEventRequest
from ...models.audit_event_response import AuditEventResponse
from ...models.problem import Problem
from ...types import Response


def _get_kwargs(
    *,
    body: AuditEventRequest,
) -> dict[str, Any]:
    headers: dict[str, Any] = {}

    _kwargs: dict[str, Any] = {
        "method": "post",
        "url": "/api/v1/audit/events",
    }

    _kwargs["json"] = body.to_dict()

    headers["Content-Type"] = "application/json"

    _kwargs["headers"] = headers
    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> AcceptedResponse | AuditEventResponse | Problem | None:
    if response.status_code == 201:
        response_201 = AuditEventResponse.from_dict(response.json())

        return response_201

    if response.status_code == 202:
        response_202 = AcceptedResponse.from_dict(response.json())

        return response_202

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
) -> Response[AcceptedResponse | AuditEventResponse | Problem]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    *,
    client: AuthenticatedClient | Client,
    body: AuditEventRequest,
) -> Response[AcceptedResponse | AuditEventResponse | Problem]:
    """Write one audit event

     Not idempotent: there is no key, and the same event sent twice is stored twice. event_timestamp must
    lie between 7 days before and 5 minutes after the clock of the service.

    Args:
        body (AuditEventRequest): An audit event to write.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[AcceptedResponse | AuditEventResponse | Problem]
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
    body: AuditEventRequest,
) -> AcceptedResponse | AuditEventResponse | Problem | None:
    """Write one audit event

     Not idempotent: there is no key, and the same event sent twice is stored twice. event_timestamp must
    lie between 7 days before and 5 minutes after the clock of the service.

    Args:
        body (AuditEventRequest): An audit event to write.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        AcceptedResponse | AuditEventResponse | Problem
    """

    return sync_detailed(
        client=client,
        body=body,
    ).parsed


async def asyncio_detailed(
    *,
    client: AuthenticatedClient | Client,
    body: AuditEventRequest,
) -> Response[AcceptedResponse | AuditEventResponse | Problem]:
    """Write one audit event

     Not idempotent: there is no key, and the same event sent twice is stored twice. event_timestamp must
    lie between 7 days before and 5 minutes after the clock of the service.

    Args:
        body (AuditEventRequest): An audit event to write.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[AcceptedResponse | AuditEventResponse | Problem]
    """

    kwargs = _get_kwargs(
        body=body,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    *,
    client: AuthenticatedClient | Client,
    body: AuditEventRequest,
) -> AcceptedResponse | AuditEventResponse | Problem | None:
    """Write one audit event

     Not idempotent: there is no key, and the same event sent twice is stored twice. event_timestamp must
    lie between 7 days before and 5 minutes after the clock of the service.

    Args:
        body (AuditEventRequest): An audit event to write.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        AcceptedResponse | AuditEventResponse | Problem
    """

    return (
        await asyncio_detailed(
            client=client,
            body=body,
        )
    ).parsed
