"""The five workflows of HAPI's test suite, from the documents in examples/catalog/.

from hapi_workflows import workflows
report = client.workflows.bootstrap(workflows())
"""

from pathlib import Path

from kubernaut_client.catalog import load
from kubernaut_client.models import RemediationWorkflow

CATALOG = Path(__file__).parent / "catalog"


def workflows() -> list[RemediationWorkflow]:
    """One workflow per document, by name."""
    return list(load(CATALOG))
