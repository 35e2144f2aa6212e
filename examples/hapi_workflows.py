"""The five workflows of HAPI's test suite, from the documents in examples/catalog/.

from hapi_workflows import workflows
report = client.workflows.bootstrap(workflows())
"""

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import yaml

from kubernaut_client.models import MandatoryLabels, RemediationWorkflow

CATALOG = Path(__file__).parent / "catalog"


def workflows() -> list[RemediationWorkflow]:
    """One workflow per document, by name."""
    return list(_read(CATALOG))


def _read(directory: Path) -> Iterator[RemediationWorkflow]:
    for path in sorted(directory.glob("*.yaml")):
        content = path.read_text("utf-8")
        document = yaml.safe_load(content)
        metadata, labels, execution = document["metadata"], document["labels"], document["execution"]
        image = execution["bundle"]
        yield RemediationWorkflow(
            workflow_name=metadata["workflow_id"],
            version=metadata["version"],
            name=metadata["annotations"]["kubernaut.io/display-name"],
            description=metadata["description"],
            content=content,
            content_hash=sha256(content.encode()).hexdigest(),
            labels=MandatoryLabels(
                signal_type=labels["signal_type"],
                severity=labels["severity"],
                component=labels["component"],
                environment=labels["environment"],
                priority=labels["priority"],
            ),
            execution_engine=execution["engine"],
            status="active",
            container_image=image,
            container_digest=image.partition("@")[2],
        )
