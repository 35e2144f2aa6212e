"""`client.raw`: the generated client, with nothing in it that could send past our session."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn, Self

from kubernaut_datastorage.client import Client

from .errors import ConfigurationError

if TYPE_CHECKING:
    import httpx

    from .client import AsyncDataStorageClient, DataStorageClient


class RawClient(Client):
    """The generated client over the connections and options of one of our clients, its view.

    The generated one makes an httpx client of its own wherever it has none, without token, deadline or errors of ours.
    Here `with_headers` and `with_timeout` give the raw client of another view, a context manager closes nothing, and
    what can't be had refuses.
    """

    def __init__(
        self,
        view: DataStorageClient | AsyncDataStorageClient | None = None,
        *,
        client: Any = None,
        async_client: Any = None,
        **others: Any,
    ) -> None:
        if view is None or others:  # as attrs.evolve calls it
            raise ConfigurationError("raw: take client.raw, raw.with_headers() or raw.with_timeout() instead of a copy")
        super().__init__(view.base_url)
        self._view = view
        self._client = client
        self._async_client = async_client

    def with_headers(self, headers: dict[str, str]) -> Client:
        """As `with_options(headers=...).raw`."""
        return self._view.with_options(headers=headers).raw

    def with_timeout(self, timeout: httpx.Timeout | float) -> Client:
        """As `with_options(timeout=...).raw`: seconds for all of an attempt, or an `httpx.Timeout` of one value."""
        seconds: list[Any] = [timeout]
        if not isinstance(timeout, int | float) and hasattr(timeout, "as_dict"):
            seconds = list(timeout.as_dict().values())
        if None in seconds or any(each != seconds[0] for each in seconds):
            raise ConfigurationError("raw: with_timeout takes one number of seconds, for all of an attempt")
        return self._view.with_options(timeout=seconds[0]).raw

    def with_cookies(self, cookies: dict[str, str]) -> NoReturn:
        """Refused: cookies are neither kept nor sent."""
        raise ConfigurationError("raw: cookies are neither kept nor sent; with_headers sets any other header")

    def set_httpx_client(self, client: httpx.Client) -> NoReturn:
        """Refused: `DataStorageClient(http_client=...)` takes a client of your own."""
        raise ConfigurationError("raw: give an httpx client of your own to DataStorageClient(http_client=...)")

    def set_async_httpx_client(self, async_client: httpx.AsyncClient) -> NoReturn:
        """Refused: `AsyncDataStorageClient(http_client=...)` takes a client of your own."""
        raise ConfigurationError("raw: give an httpx client of your own to AsyncDataStorageClient(http_client=...)")

    def get_httpx_client(self) -> httpx.Client:
        """What the generated functions send by: `request`, `get`, `post` and others go through our session."""
        if self._client is None:
            raise ConfigurationError("raw: this function needs the raw client of DataStorageClient")
        return self._client

    def get_async_httpx_client(self) -> httpx.AsyncClient:
        """As `get_httpx_client`, for the async functions."""
        if self._async_client is None:
            raise ConfigurationError("raw: this function needs the raw client of AsyncDataStorageClient")
        return self._async_client

    def __enter__(self) -> Self:
        self.get_httpx_client()
        return self

    def __exit__(self, *args: Any, **kwargs: Any) -> None:
        pass

    async def __aenter__(self) -> Self:
        self.get_async_httpx_client()
        return self

    async def __aexit__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def __reduce__(self) -> NoReturn:
        raise TypeError("client.raw can't be pickled: make a client in each process")

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: Any) -> Self:
        return self
