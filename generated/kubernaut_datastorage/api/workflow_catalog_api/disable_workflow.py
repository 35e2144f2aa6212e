from http import HTTPStatus
from typing import Any
from urllib.parse import quote
from uuid import UUID

import httpx

from ... import errors
from ...client import AuthenticatedClient, Client
from ...models.problem import Problem
from ...models.stored_workflow import StoredWorkflow
from ...models.workflow_disable_request import WorkflowDisableRequest
from ...types import Response


def _get_kwargs(
    workflow_id: UUID,
    *,
    body: WorkflowDisableRequest,
) -> dict[str, Any]:
    headers: dict[str, Any] = {}

    _kwargs: dict[str, Any] = {
        "method": "patch",
        "url": "/api/v1/workflows/{workflow_id}/disable".format(
            workflow_id=quote(str(workflow_id), safe=""),
        ),
    }

    _kwargs["json"] = body.to_dict()

    headers["Content-Type"] = "application/json"

    _kwargs["headers"] = headers
    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Problem | StoredWorkflow | None:
    if response.status_code == 200:
        response_200 = StoredWorkflow.from_dict(response.json())

        return response_200

    if response.status_code == 400:
        response_400 = Problem.from_dict(response.json())

        return response_400

    if response.status_code == 404:
        response_404 = Problem.from_dict(response.json())

        return response_404

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
    workflow_id: UUID,
    *,
    client: AuthenticatedClient | Client,
    body: WorkflowDisableRequest,
) -> Response[Problem | StoredWorkflow]:
    """Disable a workflow version

     May be repeated. An id that is not stored gets no answer: the service closes the connection.

    Args:
        workflow_id (UUID):
        body (WorkflowDisableRequest): Who disables a workflow version, and why. All members may
            be left out; none may be null.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Problem | StoredWorkflow]
    """

    kwargs = _get_kwargs(
        workflow_id=workflow_id,
        body=body,
    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)


def sync(
    workflow_id: UUID,
    *,
    client: AuthenticatedClient | Client,
    body: WorkflowDisableRequest,
) -> Problem | StoredWorkflow | None:
    """Disable a workflow version

     May be repeated. An id that is not stored gets no answer: the service closes the connection.

    Args:
        workflow_id (UUID):
        body (WorkflowDisableRequest): Who disables a workflow version, and why. All members may
            be left out; none may be null.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Problem | StoredWorkflow
    """

    return sync_detailed(
        workflow_id=workflow_id,
        client=client,
        body=body,
    ).parsed


async def asyncio_detailed(
    workflow_id: UUID,
    *,
    client: AuthenticatedClient | Client,
    body: WorkflowDisableRequest,
) -> Response[Problem | StoredWorkflow]:
    """Disable a workflow version

     May be repeated. An id that is not stored gets no answer: the service closes the connection.

    Args:
        workflow_id (UUID):
        body (WorkflowDisableRequest): Who disables a workflow version, and why. All members may
            be left out; none may be null.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Problem | StoredWorkflow]
    """

    kwargs = _get_kwargs(
        workflow_id=workflow_id,
        body=body,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    workflow_id: UUID,
    *,
    client: AuthenticatedClient | Client,
    body: WorkflowDisableRequest,
) -> Problem | StoredWorkflow | None:
    """Disable a workflow version

     May be repeated. An id that is not stored gets no answer: the service closes the connection.

    Args:
        workflow_id (UUID):
        body (WorkflowDisableRequest): Who disables a workflow version, and why. All members may
            be left out; none may be null.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Problem | StoredWorkflow
    """

    return (
        await asyncio_detailed(
            workflow_id=workflow_id,
            client=client,
            body=body,
        )
    ).parsed
