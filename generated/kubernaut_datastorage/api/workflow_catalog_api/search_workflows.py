from http import HTTPStatus
from typing import Any

import httpx

from ... import errors
from ...client import AuthenticatedClient, Client
from ...models.problem import Problem
from ...models.workflow_search_request import WorkflowSearchRequest
from ...models.workflow_search_response import WorkflowSearchResponse
from ...types import Response


def _get_kwargs(
    *,
    body: WorkflowSearchRequest,
) -> dict[str, Any]:
    headers: dict[str, Any] = {}

    _kwargs: dict[str, Any] = {
        "method": "post",
        "url": "/api/v1/workflows/search",
    }

    _kwargs["json"] = body.to_dict()

    headers["Content-Type"] = "application/json"

    _kwargs["headers"] = headers
    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Problem | WorkflowSearchResponse | None:
    if response.status_code == 200:
        response_200 = WorkflowSearchResponse.from_dict(response.json())

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
) -> Response[Problem | WorkflowSearchResponse]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    *,
    client: AuthenticatedClient | Client,
    body: WorkflowSearchRequest,
) -> Response[Problem | WorkflowSearchResponse]:
    """Find workflows by label

     Latest versions whose five mandatory labels match, best score first, then newest first. Only a
    component stored as `*` is a wildcard. If the latest version of a name is disabled, its older
    versions aren't found either.

    Args:
        body (WorkflowSearchRequest): What to search for.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Problem | WorkflowSearchResponse]
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
    body: WorkflowSearchRequest,
) -> Problem | WorkflowSearchResponse | None:
    """Find workflows by label

     Latest versions whose five mandatory labels match, best score first, then newest first. Only a
    component stored as `*` is a wildcard. If the latest version of a name is disabled, its older
    versions aren't found either.

    Args:
        body (WorkflowSearchRequest): What to search for.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Problem | WorkflowSearchResponse
    """

    return sync_detailed(
        client=client,
        body=body,
    ).parsed


async def asyncio_detailed(
    *,
    client: AuthenticatedClient | Client,
    body: WorkflowSearchRequest,
) -> Response[Problem | WorkflowSearchResponse]:
    """Find workflows by label

     Latest versions whose five mandatory labels match, best score first, then newest first. Only a
    component stored as `*` is a wildcard. If the latest version of a name is disabled, its older
    versions aren't found either.

    Args:
        body (WorkflowSearchRequest): What to search for.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Problem | WorkflowSearchResponse]
    """

    kwargs = _get_kwargs(
        body=body,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    *,
    client: AuthenticatedClient | Client,
    body: WorkflowSearchRequest,
) -> Problem | WorkflowSearchResponse | None:
    """Find workflows by label

     Latest versions whose five mandatory labels match, best score first, then newest first. Only a
    component stored as `*` is a wildcard. If the latest version of a name is disabled, its older
    versions aren't found either.

    Args:
        body (WorkflowSearchRequest): What to search for.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Problem | WorkflowSearchResponse
    """

    return (
        await asyncio_detailed(
            client=client,
            body=body,
        )
    ).parsed
