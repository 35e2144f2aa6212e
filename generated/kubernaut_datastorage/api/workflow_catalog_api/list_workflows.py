from http import HTTPStatus
from typing import Any

import httpx

from ... import errors
from ...client import AuthenticatedClient, Client
from ...models.problem import Problem
from ...models.workflow_list_response import WorkflowListResponse
from ...models.workflow_status import WorkflowStatus
from ...types import UNSET, Response, Unset


def _get_kwargs(
    *,
    status: WorkflowStatus | Unset = UNSET,
    environment: str | Unset = UNSET,
    priority: str | Unset = UNSET,
    component: str | Unset = UNSET,
    limit: int | Unset = UNSET,
    offset: int | Unset = UNSET,
) -> dict[str, Any]:

    params: dict[str, Any] = {}

    json_status: str | Unset = UNSET
    if not isinstance(status, Unset):
        json_status = status

    params["status"] = json_status

    params["environment"] = environment

    params["priority"] = priority

    params["component"] = component

    params["limit"] = limit

    params["offset"] = offset

    params = {k: v for k, v in params.items() if v is not UNSET and v is not None}

    _kwargs: dict[str, Any] = {
        "method": "get",
        "url": "/api/v1/workflows",
        "params": params,
    }

    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Problem | WorkflowListResponse | None:
    if response.status_code == 200:
        response_200 = WorkflowListResponse.from_dict(response.json())

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
) -> Response[Problem | WorkflowListResponse]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    *,
    client: AuthenticatedClient | Client,
    status: WorkflowStatus | Unset = UNSET,
    environment: str | Unset = UNSET,
    priority: str | Unset = UNSET,
    component: str | Unset = UNSET,
    limit: int | Unset = UNSET,
    offset: int | Unset = UNSET,
) -> Response[Problem | WorkflowListResponse]:
    """List workflow versions

     Every version in every status, newest first by created_at; equal times have no order. Other
    parameters are ignored.

    Args:
        status (WorkflowStatus | Unset): Life cycle of a workflow version.
        environment (str | Unset):
        priority (str | Unset):
        component (str | Unset):
        limit (int | Unset):
        offset (int | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Problem | WorkflowListResponse]
    """

    kwargs = _get_kwargs(
        status=status,
        environment=environment,
        priority=priority,
        component=component,
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
    status: WorkflowStatus | Unset = UNSET,
    environment: str | Unset = UNSET,
    priority: str | Unset = UNSET,
    component: str | Unset = UNSET,
    limit: int | Unset = UNSET,
    offset: int | Unset = UNSET,
) -> Problem | WorkflowListResponse | None:
    """List workflow versions

     Every version in every status, newest first by created_at; equal times have no order. Other
    parameters are ignored.

    Args:
        status (WorkflowStatus | Unset): Life cycle of a workflow version.
        environment (str | Unset):
        priority (str | Unset):
        component (str | Unset):
        limit (int | Unset):
        offset (int | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Problem | WorkflowListResponse
    """

    return sync_detailed(
        client=client,
        status=status,
        environment=environment,
        priority=priority,
        component=component,
        limit=limit,
        offset=offset,
    ).parsed


async def asyncio_detailed(
    *,
    client: AuthenticatedClient | Client,
    status: WorkflowStatus | Unset = UNSET,
    environment: str | Unset = UNSET,
    priority: str | Unset = UNSET,
    component: str | Unset = UNSET,
    limit: int | Unset = UNSET,
    offset: int | Unset = UNSET,
) -> Response[Problem | WorkflowListResponse]:
    """List workflow versions

     Every version in every status, newest first by created_at; equal times have no order. Other
    parameters are ignored.

    Args:
        status (WorkflowStatus | Unset): Life cycle of a workflow version.
        environment (str | Unset):
        priority (str | Unset):
        component (str | Unset):
        limit (int | Unset):
        offset (int | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Problem | WorkflowListResponse]
    """

    kwargs = _get_kwargs(
        status=status,
        environment=environment,
        priority=priority,
        component=component,
        limit=limit,
        offset=offset,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    *,
    client: AuthenticatedClient | Client,
    status: WorkflowStatus | Unset = UNSET,
    environment: str | Unset = UNSET,
    priority: str | Unset = UNSET,
    component: str | Unset = UNSET,
    limit: int | Unset = UNSET,
    offset: int | Unset = UNSET,
) -> Problem | WorkflowListResponse | None:
    """List workflow versions

     Every version in every status, newest first by created_at; equal times have no order. Other
    parameters are ignored.

    Args:
        status (WorkflowStatus | Unset): Life cycle of a workflow version.
        environment (str | Unset):
        priority (str | Unset):
        component (str | Unset):
        limit (int | Unset):
        offset (int | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Problem | WorkflowListResponse
    """

    return (
        await asyncio_detailed(
            client=client,
            status=status,
            environment=environment,
            priority=priority,
            component=component,
            limit=limit,
            offset=offset,
        )
    ).parsed
