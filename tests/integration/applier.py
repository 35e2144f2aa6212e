"""A process that bootstraps the workflows of a JSON file: `applier.py URL FILE`.

Says `ready` and waits for a line before it starts, then prints a line for every row and one JSON object at the end.
"""

import json
import sys
from collections import Counter
from pathlib import Path

from kubernaut_client import DataStorageClient, ReportRow


def main() -> None:
    url, file = sys.argv[1:]
    workflows = json.loads(Path(file).read_text("utf-8"))

    def progress(done: int, total: int, row: ReportRow) -> None:
        print(row.action, row.name, row.version, flush=True)

    with DataStorageClient(url) as client:
        print("ready", flush=True)
        sys.stdin.readline()
        try:
            report = client.workflows.bootstrap(workflows, progress=progress)
        except KeyboardInterrupt:
            print("interrupted", flush=True)
            return
    counts = Counter(row.action for row in report)
    print(json.dumps({**counts, "errors": [str(row.error) for row in report.failed][:3]}), flush=True)


if __name__ == "__main__":
    main()
