"""The /metrics route, for any method."""

from __future__ import annotations

import gzip

from kubernaut_client.emulator.messages import Reply
from kubernaut_client.emulator.metrics import CONTENT_TYPE
from kubernaut_client.emulator.service import Call


async def metrics(call: Call) -> Reply:
    """Show all metrics, compressed if the caller takes that."""
    text = call.service.metrics.scrape().encode()
    encodings = call.request.headers.get("accept-encoding", "").split(",")
    if any(encoding.partition(";")[0].strip() == "gzip" for encoding in encodings):
        return Reply(200, gzip.compress(text), CONTENT_TYPE, (("Content-Encoding", "gzip"),))
    return Reply(200, text, CONTENT_TYPE)
