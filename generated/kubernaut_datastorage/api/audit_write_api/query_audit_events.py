from http import HTTPStatus
from typing import Any

import httpx

from ... import errors
from ...client import AuthenticatedClient, Client
from ...models.audit_events_query_response import AuditEventsQueryResponse
from ...models.event_outcome import EventOutcome
from ...models.problem import Problem
from ...types import UNSET, Response, Unset


def _get_kwargs(
    *,
    event_type: str | Unset = UNSET,
    event_category: str | Unset = UNSET,
    event_outcome: EventOutcome | Unset = UNSET,
    severity: str | Unset = UNSET,
    correlation_id: str | Unset = UNSET,
    since: str | Unset = UNSET,
    until: str | Unset = UNSET,
    limit: int | Unset = UNSET,
    offset: int | Unset = UNSET,
) -> dict[str, Any]:

    params: dict[str, Any] = {}

    params["event_type"] = event_type

    params["event_category"] = event_category

    json_event_outcome: str | Unset = UNSET
    if not isinstance(event_outcome, Unset):
        json_event_outcome = event_outcome

    params["event_outcome"] = json_event_outcome

    params["severity"] = severity

    params["correlation_id"] = correlation_id

    params["since"] = since

    params["until"] = until

    params["limit"] = limit

    params["offset"] = offset

    params = {k: v for k, v in params.items() if v is not UNSET and v is not None}

    _kwargs: dict[str, Any] = {
        "method": "get",
        "url": "/api/v1/audit/events",
        "params": params,
    }

    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> AuditEventsQueryResponse | Problem | None:
    if response.status_code == 200:
        response_200 = AuditEventsQueryResponse.from_dict(response.json())

        return response_200

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
) -> Response[AuditEventsQueryResponse | Problem]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    *,
    client: AuthenticatedClient | Client,
    event_type: str | Unset = UNSET,
    event_category: str | Unset = UNSET,
    event_outcome: EventOutcome | Unset = UNSET,
    severity: str | Unset = UNSET,
    correlation_id: str | Unset = UNSET,
    since: str | Unset = UNSET,
    until: str | Unset = UNSET,
    limit: int | Unset = UNSET,
    offset: int | Unset = UNSET,
) -> Response[AuditEventsQueryResponse | Problem]:
    """Read audit events

     Newest first by event_timestamp, then by event_id. Parameters that aren't listed here are ignored.

    Args:
        event_type (str | Unset):
        event_category (str | Unset):
        event_outcome (EventOutcome | Unset): How the audited action ended.
        severity (str | Unset):
        correlation_id (str | Unset):
        since (str | Unset):
        until (str | Unset):
        limit (int | Unset):
        offset (int | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[AuditEventsQueryResponse | Problem]
    """

    kwargs = _get_kwargs(
        event_type=event_type,
        event_category=event_category,
        event_outcome=event_outcome,
        severity=severity,
        correlation_id=correlation_id,
        since=since,
        until=until,
        limit=limit,
        offset=offset,
    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)


def sync(
    *,
    client: AuthenticatedClient | Client,
    event_type: str | Unset = UNSET,
    event_category: str | Unset = UNSET,
    event_outcome: EventOutcome | Unset = UNSET,
    severity: str | Unset = UNSET,
    correlation_id: str | Unset = UNSET,
    since: str | Unset = UNSET,
    until: str | Unset = UNSET,
    limit: int | Unset = UNSET,
    offset: int | Unset = UNSET,
) -> AuditEventsQueryResponse | Problem | None:
    """Read audit events

     Newest first by event_timestamp, then by event_id. Parameters that aren't listed here are ignored.

    Args:
        event_type (str | Unset):
        event_category (str | Unset):
        event_outcome (EventOutcome | Unset): How the audited action ended.
        severity (str | Unset):
        correlation_id (str | Unset):
        since (str | Unset):
        until (str | Unset):
        limit (int | Unset):
        offset (int | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        AuditEventsQueryResponse | Problem
    """

    return sync_detailed(
        client=client,
        event_type=event_type,
        event_category=event_category,
        event_outcome=event_outcome,
        severity=severity,
        correlation_id=correlation_id,
        since=since,
        until=until,
        limit=limit,
        offset=offset,
    ).parsed


async def asyncio_detailed(
    *,
    client: AuthenticatedClient | Client,
    event_type: str | Unset = UNSET,
    event_category: str | Unset = UNSET,
    event_outcome: EventOutcome | Unset = UNSET,
    severity: str | Unset = UNSET,
    correlation_id: str | Unset = UNSET,
    since: str | Unset = UNSET,
    until: str | Unset = UNSET,
    limit: int | Unset = UNSET,
    offset: int | Unset = UNSET,
) -> Response[AuditEventsQueryResponse | Problem]:
    """Read audit events

     Newest first by event_timestamp, then by event_id. Parameters that aren't listed here are ignored.

    Args:
        event_type (str | Unset):
        event_category (str | Unset):
        event_outcome (EventOutcome | Unset): How the audited action ended.
        severity (str | Unset):
        correlation_id (str | Unset):
        since (str | Unset):
        until (str | Unset):
        limit (int | Unset):
        offset (int | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[AuditEventsQueryResponse | Problem]
    """

    kwargs = _get_kwargs(
        event_type=event_type,
        event_category=event_category,
        event_outcome=event_outcome,
        severity=severity,
        correlation_id=correlation_id,
        since=since,
        until=until,
        limit=limit,
        offset=offset,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    *,
    client: AuthenticatedClient | Client,
    event_type: str | Unset = UNSET,
    event_category: str | Unset = UNSET,
    event_outcome: EventOutcome | Unset = UNSET,
    severity: str | Unset = UNSET,
    correlation_id: str | Unset = UNSET,
    since: str | Unset = UNSET,
    until: str | Unset = UNSET,
    limit: int | Unset = UNSET,
    offset: int | Unset = UNSET,
) -> AuditEventsQueryResponse | Problem | None:
    """Read audit events

     Newest first by event_timestamp, then by event_id. Parameters that aren't listed here are ignored.

    Args:
        event_type (str | Unset):
        event_category (str | Unset):
        event_outcome (EventOutcome | Unset): How the audited action ended.
        severity (str | Unset):
        correlation_id (str | Unset):
        since (str | Unset):
        until (str | Unset):
        limit (int | Unset):
        offset (int | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        AuditEventsQueryResponse | Problem
    """

    return (
        await asyncio_detailed(
            client=client,
            event_type=event_type,
            event_category=event_category,
            event_outcome=event_outcome,
            severity=severity,
            correlation_id=correlation_id,
            since=since,
            until=until,
            limit=limit,
            offset=offset,
        )
    ).parsed
