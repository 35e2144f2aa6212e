from http import HTTPStatus
from typing import Any

import httpx

from ... import errors
from ...client import AuthenticatedClient, Client
from ...models.accepted_response import AcceptedResponse
from ...models.notification_audit import NotificationAudit
from ...models.notification_audit_response import NotificationAuditResponse
from ...models.problem import Problem
from ...types import Response


def _get_kwargs(
    *,
    body: NotificationAudit,
) -> dict[str, Any]:
    headers: dict[str, Any] = {}

    _kwargs: dict[str, Any] = {
        "method": "post",
        "url": "/api/v1/audit/notifications",
    }

    _kwargs["json"] = body.to_dict()

    headers["Content-Type"] = "application/json"

    _kwargs["headers"] = headers
    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> AcceptedResponse | NotificationAuditResponse | Problem | None:
    if response.status_code == 201:
        response_201 = NotificationAuditResponse.from_dict(response.json())

        return response_201

    if response.status_code == 202:
        response_202 = AcceptedResponse.from_dict(response.json())

        return response_202

    if response.status_code == 400:
        response_400 = Problem.from_dict(response.json())

        return response_400

    if response.status_code == 409:
        response_409 = Problem.from_dict(response.json())

        return response_409

    if response.status_code == 503:
        response_503 = Problem.from_dict(response.json())

        return response_503

    if client.raise_on_unexpected_status:
        raise errors.UnexpectedStatus(response.status_code, response.content)
    else:
        return None


def _build_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Response[AcceptedResponse | NotificationAuditResponse | Problem]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    *,
    client: AuthenticatedClient | Client,
    body: NotificationAudit,
) -> Response[AcceptedResponse | NotificationAuditResponse | Problem]:
    """Write one notification record

     Unique by notification_id. There is no route that reads them back.

    Args:
        body (NotificationAudit): A notification record to write. Empty and blank texts are
            refused where a member is required.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[AcceptedResponse | NotificationAuditResponse | Problem]
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
    body: NotificationAudit,
) -> AcceptedResponse | NotificationAuditResponse | Problem | None:
    """Write one notification record

     Unique by notification_id. There is no route that reads them back.

    Args:
        body (NotificationAudit): A notification record to write. Empty and blank texts are
            refused where a member is required.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        AcceptedResponse | NotificationAuditResponse | Problem
    """

    return sync_detailed(
        client=client,
        body=body,
    ).parsed


async def asyncio_detailed(
    *,
    client: AuthenticatedClient | Client,
    body: NotificationAudit,
) -> Response[AcceptedResponse | NotificationAuditResponse | Problem]:
    """Write one notification record

     Unique by notification_id. There is no route that reads them back.

    Args:
        body (NotificationAudit): A notification record to write. Empty and blank texts are
            refused where a member is required.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[AcceptedResponse | NotificationAuditResponse | Problem]
    """

    kwargs = _get_kwargs(
        body=body,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    *,
    client: AuthenticatedClient | Client,
    body: NotificationAudit,
) -> AcceptedResponse | NotificationAuditResponse | Problem | None:
    """Write one notification record

     Unique by notification_id. There is no route that reads them back.

    Args:
        body (NotificationAudit): A notification record to write. Empty and blank texts are
            refused where a member is required.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        AcceptedResponse | NotificationAuditResponse | Problem
    """

    return (
        await asyncio_detailed(
            client=client,
            body=body,
        )
    ).parsed
