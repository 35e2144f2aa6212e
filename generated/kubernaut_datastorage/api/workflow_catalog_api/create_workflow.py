from http import HTTPStatus
from typing import Any

import httpx

from ... import errors
from ...client import AuthenticatedClient, Client
from ...models.problem import Problem
from ...models.remediation_workflow import RemediationWorkflow
from ...models.stored_workflow import StoredWorkflow
from ...types import Response


def _get_kwargs(
    *,
    body: RemediationWorkflow,
) -> dict[str, Any]:
    headers: dict[str, Any] = {}

    _kwargs: dict[str, Any] = {
        "method": "post",
        "url": "/api/v1/workflows",
    }

    _kwargs["json"] = body.to_dict()

    headers["Content-Type"] = "application/json"

    _kwargs["headers"] = headers
    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Problem | StoredWorkflow | None:
    if response.status_code == 201:
        response_201 = StoredWorkflow.from_dict(response.json())

        return response_201

    if response.status_code == 400:
        response_400 = Problem.from_dict(response.json())

        return response_400

    if response.status_code == 409:
        response_409 = Problem.from_dict(response.json())

        return response_409

    if response.status_code == 500:
        response_500 = Problem.from_dict(response.json())

        return response_500

    if client.raise_on_unexpected_status:
        raise errors.UnexpectedStatus(response.status_code, response.content)
    else:
        return None


def _build_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Response[Problem | StoredWorkflow]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    *,
    client: AuthenticatedClient | Client,
    body: RemediationWorkflow,
) -> Response[Problem | StoredWorkflow]:
    """Store a workflow version

     Stores one version of a workflow and makes it the latest of its name, whatever its number: the flag
    of all other versions is taken away in the same transaction. A version can never be replaced.

    Args:
        body (RemediationWorkflow): A workflow version to store. Nothing here may be null; leave
            out what you don't set.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Problem | StoredWorkflow]
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
    body: RemediationWorkflow,
) -> Problem | StoredWorkflow | None:
    """Store a workflow version

     Stores one version of a workflow and makes it the latest of its name, whatever its number: the flag
    of all other versions is taken away in the same transaction. A version can never be replaced.

    Args:
        body (RemediationWorkflow): A workflow version to store. Nothing here may be null; leave
            out what you don't set.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Problem | StoredWorkflow
    """

    return sync_detailed(
        client=client,
        body=body,
    ).parsed


async def asyncio_detailed(
    *,
    client: AuthenticatedClient | Client,
    body: RemediationWorkflow,
) -> Response[Problem | StoredWorkflow]:
    """Store a workflow version

     Stores one version of a workflow and makes it the latest of its name, whatever its number: the flag
    of all other versions is taken away in the same transaction. A version can never be replaced.

    Args:
        body (RemediationWorkflow): A workflow version to store. Nothing here may be null; leave
            out what you don't set.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Problem | StoredWorkflow]
    """

    kwargs = _get_kwargs(
        body=body,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    *,
    client: AuthenticatedClient | Client,
    body: RemediationWorkflow,
) -> Problem | StoredWorkflow | None:
    """Store a workflow version

     Stores one version of a workflow and makes it the latest of its name, whatever its number: the flag
    of all other versions is taken away in the same transaction. A version can never be replaced.

    Args:
        body (RemediationWorkflow): A workflow version to store. Nothing here may be null; leave
            out what you don't set.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Problem | StoredWorkflow
    """

    return (
        await asyncio_detailed(
            client=client,
            body=body,
        )
    ).parsed
