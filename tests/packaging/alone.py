"""The core without any extra: `alone.py PYTHON`, a Python that has the wheel and what it requires, and nothing else.

Runs the emulator here, and there a program that writes audit events through a spool, by either colour of the client,
and the command that looks at the spool.
"""

import json
import subprocess
import sys
import tempfile

from kubernaut_client.emulator import Emulator

EVENTS = 700
PROGRAM = """
import asyncio, importlib.util, sys

from kubernaut_client import AsyncDataStorageClient, AuditWriter

url, spool = sys.argv[1:3]
extras = [name for name in ("click", "yaml", "psycopg", "jsonschema_rs") if importlib.util.find_spec(name)]
assert not extras, extras
event = {
    "version": "1.0",
    "event_type": "workflow.started",
    "event_category": "workflow",
    "event_action": "started",
    "event_outcome": "success",
    "correlation_id": "remediation-1",
    "event_data": {},
}


async def asynchronous():
    async with AsyncDataStorageClient(url) as client, AuditWriter(client, spool=spool) as audit:
        for number in range(350, 700):
            audit.emit({**event, "event_data": {"number": number}})
        print(await audit.aflush(60))


with AuditWriter(url, spool=spool) as audit:
    for number in range(350):
        audit.emit({**event, "event_data": {"number": number}})
    print(audit.flush(60))
asyncio.run(asynchronous())

left = AuditWriter("http://127.0.0.1:9", spool=spool)
left.emit({**event, "event_data": {"number": 700}})
print(left.close(0))
"""


def main() -> None:
    python = sys.argv[1]
    with Emulator() as emulator, tempfile.TemporaryDirectory() as directory:
        spool = f"{directory}/spool"
        subprocess.run([python, "-I", "-W", "error", "-c", PROGRAM, emulator.url, spool], check=True)
        command = [python, "-I", "-m", "kubernaut_client.spool"]
        found = subprocess.run([*command, "status", spool, "--json"], check=True, capture_output=True, text=True)
        total = json.loads(found.stdout)["total"]
        assert total["waiting"] + total["unsettled"] == 1, total
        subprocess.run([*command, "drain", spool, "--url", emulator.url], check=True)
        numbers = sorted(row["event_data"]["number"] for row in emulator.rows("audit_events"))
        assert numbers == list(range(EVENTS + 1)), f"{len(numbers)} of {EVENTS + 1}"
    print(f"{EVENTS + 1} events, each stored once")


if __name__ == "__main__":
    main()
