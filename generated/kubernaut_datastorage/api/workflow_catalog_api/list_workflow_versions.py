from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import httpx

from ... import errors
from ...client import AuthenticatedClient, Client
from ...models.problem import Problem
from ...models.workflow_versions_response import WorkflowVersionsResponse
from ...types import Response


def _get_kwargs(
    workflow_name: str,
) -> dict[str, Any]:

    _kwargs: dict[str, Any] = {
        "method": "get",
        "url": "/api/v1/workflows/by-name/{workflow_name}/versions".format(
            workflow_name=quote(str(workflow_name), safe=""),
        ),
    }

    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Problem | WorkflowVersionsResponse | None:
    if response.status_code == 200:
        response_200 = WorkflowVersionsResponse.from_dict(response.json())

        return response_200

    if response.status_code == 500:
        response_500 = Problem.from_dict(response.json())

        return response_500

    if client.raise_on_unexpected_status:
        raise errors.UnexpectedStatus(response.status_code, response.content)
    else:
        return None


def _build_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Response[Problem | WorkflowVersionsResponse]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    workflow_name: str,
    *,
    client: AuthenticatedClient | Client,
) -> Response[Problem | WorkflowVersionsResponse]:
    """List the versions of one name

     All versions of a name in every status, newest first by created_at. A name with a slash is never
    found. One that contains + : @ & = $ , or ; is found only if these characters are not percent-
    escaped.

    Args:
        workflow_name (str):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Problem | WorkflowVersionsResponse]
    """

    kwargs = _get_kwargs(
        workflow_name=workflow_name,
    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)


def sync(
    workflow_name: str,
    *,
    client: AuthenticatedClient | Client,
) -> Problem | WorkflowVersionsResponse | None:
    """List the versions of one name

     All versions of a name in every status, newest first by created_at. A name with a slash is never
    found. One that contains + : @ & = $ , or ; is found only if these characters are not percent-
    escaped.

    Args:
        workflow_name (str):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Problem | WorkflowVersionsResponse
    """

    return sync_detailed(
        workflow_name=workflow_name,
        client=client,
    ).parsed


async def asyncio_detailed(
    workflow_name: str,
    *,
    client: AuthenticatedClient | Client,
) -> Response[Problem | WorkflowVersionsResponse]:
    """List the versions of one name

     All versions of a name in every status, newest first by created_at. A name with a slash is never
    found. One that contains + : @ & = $ , or ; is found only if these characters are not percent-
    escaped.

    Args:
        workflow_name (str):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Problem | WorkflowVersionsResponse]
    """

    kwargs = _get_kwargs(
        workflow_name=workflow_name,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    workflow_name: str,
    *,
    client: AuthenticatedClient | Client,
) -> Problem | WorkflowVersionsResponse | None:
    """List the versions of one name

     All versions of a name in every status, newest first by created_at. A name with a slash is never
    found. One that contains + : @ & = $ , or ; is found only if these characters are not percent-
    escaped.

    Args:
        workflow_name (str):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Problem | WorkflowVersionsResponse
    """

    return (
        await asyncio_detailed(
            workflow_name=workflow_name,
            client=client,
        )
    ).parsed
