"""Each way in which catalog files are bad, with every line of the report."""

from pathlib import Path

import pytest
import yaml

from kubernaut_client.catalog import load, yamltext
from kubernaut_client.catalog.text import SIZE_LIMIT, Text
from tests.unit.catalog.files import GOOD, PAYLOAD, good, payload, report, write

PARSERS = {"SafeLoader": yaml.SafeLoader, "the default": yamltext.PARSER}
METADATA = """\
metadata:
  workflow_id: restart-pod
  version: "1.0.0"
  description: Restarts a pod.
"""
BOMB = GOOD + "a: &a [x, x, x, x, x, x, x, x, x, x]\n"
for one, other in zip("abcdefgh", "bcdefghi", strict=True):
    BOMB += f"{other}: &{other} [{', '.join([f'*{one}'] * 10)}]\n"
CONTENT = '"content": "any text"'


class Case:
    """Files of a directory and the lines of the report, each without the name of the directory."""

    def __init__(self, name: str, files: dict[str, str | bytes], *lines: str) -> None:
        self.name = name
        self.files = files
        self.lines = [f"catalog/{line}" for line in lines]


def indented(text: str) -> str:
    return "".join(f"  {line}\n" for line in text.splitlines())


CASES = [
    # The file as a whole
    Case("empty", {"a.yaml": ""}, "a.yaml: is empty"),
    Case("blank", {"a.yaml": " \n\n"}, "a.yaml: is empty"),
    Case("empty-json", {"a.json": ""}, "a.json: is empty"),
    Case("only-comments", {"a.yaml": "# one\n# two\n"}, "a.yaml: holds no document, only comments"),
    Case("only-markers", {"a.yaml": "---\n---\n...\n"}, "a.yaml: holds no document"),
    Case(
        "two-mebibytes",
        {"a.yaml": GOOD + "# " + "x" * 2**21},
        "a.yaml:1:1: is larger than 1 MiB (1048576 bytes), the limit of a document: split it",
    ),
    Case(
        "latin-1",
        {"a.yaml": good(("Restarts a pod.", "Stürzt ab.")).encode("latin-1")},
        "a.yaml:6:18: byte 0xFC at offset 128 is not UTF-8 (Latin-1?): save the file as UTF-8",
    ),
    Case(
        "latin-1-after-cr",
        {"a.yaml": good(("Pod to restart", "Stürzt ab")).replace("\n", "\r").encode("latin-1")},
        "a.yaml:21:20: byte 0xFC at offset 499 is not UTF-8 (Latin-1?): save the file as UTF-8",
    ),
    Case("utf-16-with-mark", {"a.yaml": GOOD.encode("utf-16")}, "a.yaml: is UTF-16: save it as UTF-8"),
    Case("utf-16-without-mark", {"a.yaml": GOOD.encode("utf-16-le")}, "a.yaml: is UTF-16: save it as UTF-8"),
    Case("utf-16-json", {"a.json": PAYLOAD.encode("utf-16-be")}, "a.json: is UTF-16: save it as UTF-8"),
    Case(
        "truncated-utf-8",
        {"a.yaml": GOOD.encode() + "ü".encode()[:1]},
        "a.yaml:22:1: byte 0xC3 at offset 512 is not UTF-8 (Latin-1?): save the file as UTF-8",
    ),
    Case(
        "nul",
        {"a.yaml": good(("Restarts", "Re\0starts"))},
        "a.yaml:6:18: the control character U+0000 is not allowed here: remove it",
    ),
    Case(
        "escape",
        {"a.yaml": good(("Restarts", "\x1b[31mRestarts"))},
        "a.yaml:6:16: the control character U+001B is not allowed here: remove it",
    ),
    Case(
        "mark-inside",
        {"a.yaml": GOOD + "---\n\ufeff" + GOOD},
        "a.yaml:23:1: a byte order mark is not allowed here: remove it",
    ),
    Case(
        "latin-1-after-mark",
        {"a.yaml": b"\xef\xbb\xbfa: \xe9\n"},
        "a.yaml:1:4: byte 0xE9 at offset 6 is not UTF-8 (Latin-1?): save the file as UTF-8",
    ),
    # Form of YAML
    Case(
        "unknown-directive",
        {"a.yaml": f"# comment\n%YAML 1.1\n%FOO bar\n---\n{GOOD}"},
        "a.yaml:3:1: is not YAML: a line that starts with % can only be %YAML or %TAG here",
    ),
    Case(
        "minor-version",
        {"a.yaml": f"{GOOD}...\n%YAML 1.3\n---\n{GOOD}"},
        "a.yaml:23:1: is not YAML: it asks for another version than YAML 1.1 or 1.2",
    ),
    Case(
        "surrogate-pair",
        {"a.yaml": good(("Restarts a pod.", '"\\uD83D\\uDE00"'))},
        "a.yaml:6:16: is not YAML: an escape stands for no character",
    ),
    Case(
        "surrogate-in-key",
        {"a.yaml": good(("  description", '  "\\uD83D": 1\n  description'))},
        "a.yaml:6:3: is not YAML: an escape stands for no character",
    ),
    Case(
        "long-number",
        {"a.yaml": f"{GOOD}x: 1{':1' * 200}\n"},
        f"a.yaml:22:4: x: '1{':1' * 28}:… can't be read as int: quote it",
    ),
    Case(
        "large-float",
        {"a.yaml": f"{GOOD}x: 1{':1' * 180}.0\n"},
        f"a.yaml:22:4: x: '1{':1' * 28}:… can't be read as float: quote it",
    ),
    Case(
        "tab-indent", {"a.yaml": good(("  severity", "\tseverity"))}, "a.yaml:9:1: a tab can't indent YAML: use spaces"
    ),
    Case("tab-first", {"a.yaml": "\tkind: WorkflowSchema\n"}, "a.yaml:1:1: a tab can't indent YAML: use spaces"),
    Case(
        "no-colon",
        {"a.yaml": good(("severity: high", "severity high"))},
        "a.yaml:10:3: is not YAML: a ':' is missing after a key",
    ),
    Case(
        "bad-indent",
        {"a.yaml": good(("  severity", "   severity"))},
        "a.yaml:9:12: is not YAML: no ':' may stand here: indent it as its neighbours, or quote the text",
    ),
    Case(
        "unclosed-quote",
        {"a.yaml": good(('"1.0.0"', '"1.0.0'))},
        "a.yaml:5:12: is not YAML: a quote that is opened here isn't closed",
    ),
    Case(
        "unclosed-list",
        {"a.yaml": GOOD + "tags: [a, b\n"},
        "a.yaml:23:1: is not YAML: a list in brackets lacks ',' or ']'",
    ),
    Case(
        "less-indent",
        {"a.yaml": good(("  component", " component"))},
        "a.yaml:13:2: is not YAML: the indentation doesn't fit what stands before",
    ),
    Case(
        "item-indent",
        {"a.yaml": GOOD + " - name: X\n"},
        "a.yaml:22:2: is not YAML: the indentation doesn't fit what stands before",
    ),
    Case(
        "percent",
        {"a.yaml": good(("Restarts a pod.", "%d pods"))},
        "a.yaml:6:16: is not YAML: no value can start with this character: quote it",
    ),
    Case(
        "at-sign",
        {"a.yaml": good(("Restarts a pod.", "@team"))},
        "a.yaml:6:16: is not YAML: no value can start with this character: quote it",
    ),
    Case(
        "unclosed-braces",
        {"a.yaml": GOOD + "tags: {a: b\n"},
        "a.yaml:23:1: is not YAML: a mapping in braces lacks ',' or '}'",
    ),
    Case(
        "after-end",
        {"a.yaml": GOOD + "...\n- a\nb: c\n"},
        "a.yaml:23:1: is not YAML: a document must start with '---' here",
    ),
    Case(
        "colon-in-value",
        {"a.yaml": good(("Restarts a pod.", "Restarts: a pod."))},
        "a.yaml:6:24: is not YAML: no ':' may stand here: indent it as its neighbours, or quote the text",
    ),
    Case(
        "duplicate-key",
        {"a.yaml": good(("  severity: high\n", "  severity: high\n  severity: low\n"))},
        "a.yaml:10:3: labels.severity: key 'severity' is given twice, first in line 9: keep one",
    ),
    Case(
        "duplicate-section",
        {"a.yaml": GOOD + "labels: {}\n"},
        "a.yaml:22:1: labels: key 'labels' is given twice, first in line 7: keep one",
    ),
    Case(
        "two-merges",
        {"a.yaml": good(("labels:\n", "x: &x {a: b}\nlabels:\n  <<: *x\n  <<: *x\n"))},
        "a.yaml:10:3: labels.<<: key '<<' is given twice, first in line 9: keep one",
    ),
    Case(
        "merge-over",
        {"a.yaml": good(("labels:\n", "x: &x {severity: low}\nlabels:\n  <<: *x\n"))},
        "a.yaml:11:3: labels.severity: key 'severity' comes twice by the merge key <<: keep one",
    ),
    Case(
        "merge-of-text",
        {"a.yaml": good(("labels:\n", "labels:\n  <<: text\n"))},
        "a.yaml:8:3: labels.<<: a merge key takes a mapping or a list of mappings",
    ),
    Case(
        "number-key",
        {"a.yaml": good(("labels:\n", "labels:\n  1: x\n"))},
        "a.yaml:8:3: labels: key '1' must be text, not a number: quote it",
    ),
    Case(
        "boolean-key",
        {"a.yaml": good(("labels:\n", "labels:\n  on: x\n"))},
        "a.yaml:8:3: labels: key 'on' must be text, not a boolean: quote it",
    ),
    Case(
        "list-key",
        {"a.yaml": good(("labels:\n", "labels:\n  ? [a]\n  : x\n"))},
        "a.yaml:8:5: labels: key must be text, not a list: quote it",
    ),
    Case(
        "python-tag",
        {"a.yaml": good(("description: Restarts a pod.", "description: !!python/object/apply:os.system [ls]"))},
        "a.yaml:6:3: metadata.description: must be text, not a list",
        "a.yaml:6:16: metadata.description: tag '!!python/object/apply:os.system' is not allowed: remove it",
    ),
    Case(
        "own-tag",
        {"a.yaml": good(("severity: high", "severity: !env SEVERITY"))},
        "a.yaml:9:3: labels.severity: must be one of critical, high, medium, low, not 'SEVERITY'",
        "a.yaml:9:13: labels.severity: tag '!env' is not allowed: remove it",
    ),
    Case(
        "binary-tag",
        {"a.yaml": good(("Restarts a pod.", "!!binary UG9k"))},
        "a.yaml:6:16: metadata.description: tag '!!binary' is not allowed: remove it",
    ),
    Case(
        "int-tag",
        {"a.yaml": good(("severity: high", "severity: !!int high"))},
        "a.yaml:9:13: labels.severity: 'high' can't be read as int: quote it",
    ),
    Case(
        "alias-bomb",
        {"a.yaml": BOMB},
        "a.yaml:27:20: f[3]: aliases stand for more than 1048576 characters: write less of them",
    ),
    Case(
        "alias-unknown",
        {"a.yaml": good(("severity: high", "severity: *nothing"))},
        "a.yaml:9:13: labels.severity: alias 'nothing' has no anchor before it",
    ),
    Case(
        "alias-in-itself",
        {"a.yaml": good(("labels:\n", "x: &x [*x]\nlabels:\n"))},
        "a.yaml:7:8: x[0]: alias 'x' stands inside what it names",
    ),
    Case(
        "too-deep",
        {"a.yaml": GOOD + "x: " + "[" * 101 + "]" * 101 + "\n"},
        "a.yaml:22:103: must not be nested deeper than 100 levels",
    ),
    Case("too-deep-unclosed", {"a.yaml": "[" * 100_000}, "a.yaml:1:101: must not be nested deeper than 100 levels"),
    Case(
        "directive",
        {"a.yaml": "%YAML 2.0\n---\n" + GOOD},
        "a.yaml:1:1: is not YAML: it asks for another version than YAML 1.1 or 1.2",
    ),
    # Form of JSON
    Case(
        "json-trailing-comma",
        {"a.json": payload(('"tekton"\n', '"tekton",\n'))},
        "a.json:15:1: is not JSON: a comma too many",
    ),
    Case(
        "json-missing-comma",
        {"a.json": payload(('"restart-pod",', '"restart-pod"'))},
        "a.json:3:3: is not JSON: expected ',' or '}'",
    ),
    Case(
        "json-missing-colon",
        {"a.json": payload(('"version":', '"version"'))},
        "a.json:3:13: is not JSON: expected ':' after a key",
    ),
    Case(
        "json-bare-key",
        {"a.json": payload(('"version":', "version:"))},
        "a.json:3:3: is not JSON: expected a key in double quotes",
    ),
    Case(
        "json-single-quotes", {"a.json": payload(('"1.0.0"', "'1.0.0'"))}, "a.json:3:14: is not JSON: expected a value"
    ),
    Case("json-unclosed", {"a.json": PAYLOAD[:-3]}, "a.json:14:31: is not JSON: it ends too early"),
    Case(
        "json-unclosed-string",
        {"a.json": '{"workflow_name": "x'},
        "a.json:1:19: is not JSON: a string that doesn't end",
    ),
    Case(
        "json-nan",
        {"a.json": payload(('"tekton"', '"tekton", "expected_success_rate": NaN'))},
        "a.json:14:58: is not JSON: NaN is no number of JSON",
    ),
    Case(
        "json-infinity",
        {"a.json": payload(('"tekton"', '"tekton", "parameters": {"x": -Infinity}'))},
        "a.json:14:53: is not JSON: -Infinity is no number of JSON",
    ),
    Case(
        "json-float-overflow",
        {"a.json": payload(('"tekton"', '"tekton", "parameters": {"x": 1e999}'))},
        "a.json:14:48: parameters.x: must be a finite number: JSON has no NaN and no infinity",
    ),
    Case(
        "json-escape",
        {"a.json": payload(("any text", "any \\x text"))},
        "a.json:6:19: is not JSON: an invalid escape in a string",
    ),
    Case(
        "json-control",
        {"a.json": payload(("any text", "any\ttext"))},
        "a.json:6:18: is not JSON: a control character must be escaped in a string",
    ),
    Case("json-more", {"a.json": PAYLOAD + "{}"}, "a.json:16:1: is not JSON: more text after the end"),
    Case(
        "json-digits",
        {"a.json": payload(('"tekton"', '"tekton", "parameters": {"x": ' + "1" * 5000 + "}"))},
        "a.json:14:53: parameters.x: the number has too many digits",
    ),
    Case(
        "json-duplicate",
        {"a.json": payload(('"execution_engine"', '"version": "2.0.0",\n  "execution_engine"'))},
        "a.json:14:3: version: key 'version' is given twice, first in line 3: keep one",
    ),
    Case("json-too-deep", {"a.json": "[" * 100_000}, "a.json:1:101: must not be nested deeper than 100 levels"),
    Case("json-comment", {"a.json": "// workflows\n" + PAYLOAD}, "a.json:1:1: is not JSON: expected a value"),
    # What a document is
    Case(
        "another-kind",
        {"a.yaml": "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: x\n"},
        "a.yaml:2:1: kind: must be WorkflowSchema, not 'Deployment'",
    ),
    Case(
        "no-kind",
        {"a.yaml": good(("kind: WorkflowSchema\n", ""))},
        "a.yaml:1:1: kind: is missing: must be WorkflowSchema",
    ),
    Case(
        "kind-no-text",
        {"a.yaml": good(("kind: WorkflowSchema\n", "kind: [WorkflowSchema]\n"))},
        "a.yaml:2:1: kind: must be WorkflowSchema, not a list",
    ),
    Case(
        "text",
        {"a.yaml": "just a text\n"},
        "a.yaml:1:1: must be a WorkflowSchema document or a create payload, not text",
    ),
    Case("number", {"a.json": "17"}, "a.json:1:1: must be a WorkflowSchema document or a create payload, not a number"),
    Case(
        "list-of-texts",
        {"a.yaml": "- one\n- two\n"},
        "a.yaml:1:3: must be a WorkflowSchema document or a create payload, not text",
        "a.yaml:2:3: must be a WorkflowSchema document or a create payload, not text",
    ),
    Case("empty-list", {"a.yaml": "[]\n"}, "a.yaml:1:1: the list is empty"),
    Case("empty-json-list", {"a.json": "[ ]\n"}, "a.json:1:1: the list is empty"),
    Case(
        "empty-mapping",
        {"a.yaml": "{}\n"},
        ("a.yaml:1:1: is neither a document with kind: WorkflowSchema nor a create payload with workflow_name"),
    ),
    Case(
        "neither",
        {"a.yaml": "colour: blue\n"},
        ("a.yaml:1:1: is neither a document with kind: WorkflowSchema nor a create payload with workflow_name"),
    ),
    # Fields of a WorkflowSchema document
    Case(
        "no-api-version",
        {"a.yaml": good(("apiVersion: kubernaut.io/v1alpha1\n", ""))},
        "a.yaml:1:1: apiVersion: is missing",
    ),
    Case("no-metadata", {"a.yaml": good((METADATA, ""))}, "a.yaml:1:1: metadata: is missing"),
    Case(
        "metadata-is-text",
        {"a.yaml": good((METADATA, "metadata: text\n"))},
        "a.yaml:3:1: metadata: must be a mapping, not 'text'",
    ),
    Case(
        "no-name",
        {"a.yaml": good(("  workflow_id: restart-pod\n", ""))},
        "a.yaml:3:1: metadata.workflow_id: is missing",
    ),
    Case(
        "empty-name",
        {"a.yaml": good(("workflow_id: restart-pod", 'workflow_id: ""'))},
        "a.yaml:4:3: metadata.workflow_id: must not be empty",
    ),
    Case(
        "name-of-dots",
        {"a.yaml": good(("workflow_id: restart-pod", 'workflow_id: ".."'))},
        "a.yaml:4:3: metadata.workflow_id: must not be '.' or '..': no URL can name it",
    ),
    Case(
        "long-name",
        {"a.yaml": good(("workflow_id: restart-pod", "workflow_id: " + "x" * 256))},
        "a.yaml:4:3: metadata.workflow_id: must have at most 255 characters, has 256",
    ),
    Case(
        "version-number",
        {"a.yaml": good(('"1.0.0"', "1.0"))},
        "a.yaml:5:3: metadata.version: must be text, not the number 1.0: quote it",
    ),
    Case(
        "version-integer",
        {"a.yaml": good(('"1.0.0"', "1"))},
        "a.yaml:5:3: metadata.version: must be text, not the number 1: quote it",
    ),
    Case(
        "version-date",
        {"a.yaml": good(('"1.0.0"', "2026-01-31"))},
        "a.yaml:5:3: metadata.version: must be text, not the date 2026-01-31: quote it",
    ),
    Case("version-null", {"a.yaml": good(('"1.0.0"', "null"))}, "a.yaml:5:3: metadata.version: is empty: must be text"),
    Case(
        "version-long",
        {"a.yaml": good(('"1.0.0"', f'"{"1" * 51}"'))},
        "a.yaml:5:3: metadata.version: must have at most 50 characters, has 51",
    ),
    Case(
        "version-list",
        {"a.yaml": good(('"1.0.0"', "[1, 0]"))},
        "a.yaml:5:3: metadata.version: must be text, not a list",
    ),
    Case(
        "no-description",
        {"a.yaml": good(("  description: Restarts a pod.\n", ""))},
        "a.yaml:3:1: metadata.description: is missing",
    ),
    Case(
        "empty-description",
        {"a.yaml": good(("Restarts a pod.", '""'))},
        "a.yaml:6:3: metadata.description: must not be empty",
    ),
    Case(
        "nul-in-description",
        {"a.yaml": good(("Restarts a pod.", '"Restarts\\0a pod."'))},
        "a.yaml:6:3: metadata.description: must not contain a NUL character (at 8)",
    ),
    Case(
        "display-name-number",
        {"a.yaml": good(("labels:\n", "  annotations:\n    kubernaut.io/display-name: 5\nlabels:\n"))},
        ("a.yaml:8:5: metadata.annotations.kubernaut.io/display-name: must be text, not the number 5: quote it"),
    ),
    Case(
        "display-name-empty",
        {"a.yaml": good(("labels:\n", "  annotations:\n    kubernaut.io/display-name: ''\nlabels:\n"))},
        "a.yaml:8:5: metadata.annotations.kubernaut.io/display-name: must not be empty",
    ),
    Case(
        "maintainer-without-mail",
        {"a.yaml": good(("labels:\n", "  maintainers:\n    - name: Team\nlabels:\n"))},
        "a.yaml:8:7: metadata.maintainers[0].email: is missing",
    ),
    Case("no-labels", {"a.yaml": good(("labels:", "other_labels:"))}, "a.yaml:1:1: labels: is missing"),
    Case(
        "labels-list",
        {"a.yaml": good(("environment: production", "environment: [production]"))},
        "a.yaml:11:3: labels.environment: must be text, not a list",
    ),
    Case("no-label", {"a.yaml": good(("  component: pod\n", ""))}, "a.yaml:7:1: labels.component: is missing"),
    Case(
        "label-boolean",
        {"a.yaml": good(("component: pod", "component: yes"))},
        "a.yaml:13:3: labels.component: must be text, not the boolean yes: quote it",
    ),
    Case(
        "label-empty",
        {"a.yaml": good(("component: pod", "component:"))},
        "a.yaml:13:3: labels.component: is empty: must be text",
    ),
    Case(
        "severity",
        {"a.yaml": good(("severity: high", "severity: urgent"))},
        "a.yaml:9:3: labels.severity: must be one of critical, high, medium, low, not 'urgent'",
    ),
    Case(
        "no-severity",
        {"a.yaml": good(("  severity: high\n", ""))},
        "a.yaml:7:1: labels.severity: is missing: must be one of critical, high, medium, low",
    ),
    Case(
        "priority",
        {"a.yaml": good(("priority: P1", "priority: p4"))},
        "a.yaml:12:3: labels.priority: must be one of P0, P1, P2, P3, *, not 'p4'",
    ),
    Case(
        "risk",
        {"a.yaml": good(("risk_tolerance: low", "risk_tolerance: none"))},
        "a.yaml:10:3: labels.risk_tolerance: must be one of low, medium, high, not 'none'",
    ),
    Case(
        "no-risk",
        {"a.yaml": good(("  risk_tolerance: low\n", ""))},
        "a.yaml:7:1: labels.risk_tolerance: is missing: must be one of low, medium, high",
    ),
    Case(
        "engine-number",
        {"a.yaml": good(("engine: tekton", "engine: 5"))},
        "a.yaml:15:3: execution.engine: must be text, not the number 5: quote it",
    ),
    Case(
        "engine-long",
        {"a.yaml": good(("engine: tekton", "engine: " + "x" * 51))},
        "a.yaml:15:3: execution.engine: must have at most 50 characters, has 51",
    ),
    Case(
        "digest-long",
        {"a.yaml": good(("0000000000000001\n", "00000000000000012\n"))},
        "a.yaml:16:3: execution.bundle: its digest must have at most 71 characters, has 72",
    ),
    Case(
        "no-parameters",
        {"a.yaml": GOOD.partition("parameters:")[0]},
        "a.yaml:1:1: parameters: is missing: at least one parameter is needed",
    ),
    Case(
        "empty-parameters",
        {"a.yaml": GOOD.partition("parameters:")[0] + "parameters: []\n"},
        "a.yaml:17:1: parameters: is empty: at least one parameter is needed",
    ),
    Case(
        "parameters-mapping",
        {"a.yaml": GOOD.partition("parameters:")[0] + "parameters: {POD: string}\n"},
        "a.yaml:17:1: parameters: must be a list, not a mapping",
    ),
    Case("parameter-text", {"a.yaml": GOOD + "  - POD\n"}, "a.yaml:22:5: parameters[1]: must be a mapping, not 'POD'"),
    Case(
        "parameter-without-type",
        {"a.yaml": good(("    type: string\n", ""))},
        "a.yaml:18:5: parameters[0].type: is missing",
    ),
    Case(
        "parameter-type",
        {"a.yaml": good(("type: string", "type: float"))},
        "a.yaml:19:5: parameters[0].type: must be one of string, integer, boolean, array, not 'float'",
    ),
    Case(
        "parameter-required",
        {"a.yaml": good(("required: true", "required: 'true'"))},
        "a.yaml:20:5: parameters[0].required: must be true or false, not 'true'",
    ),
    Case(
        "parameter-minimum",
        {"a.yaml": GOOD + "    minimum: ten\n"},
        "a.yaml:22:5: parameters[0].minimum: must be a number, not 'ten'",
    ),
    Case(
        "parameter-enum",
        {"a.yaml": GOOD + "    enum: [1, two]\n"},
        "a.yaml:22:12: parameters[0].enum[0]: must be text, not the number 1: quote it",
    ),
    Case(
        "rollback",
        {"a.yaml": GOOD + "rollback_parameters:\n  - name: X\n    type: string\n"},
        "a.yaml:23:5: rollback_parameters[0].description: is missing",
    ),
    Case(
        "everything",
        {
            "a.yaml": good(
                ("severity: high", "severity: urgent"),
                ('"1.0.0"', "1.0"),
                ("kind: WorkflowSchema\n", "kind: WorkflowSchema\nkind: x\n"),
            )
        },
        "a.yaml:3:1: kind: key 'kind' is given twice, first in line 2: keep one",
        "a.yaml:6:3: metadata.version: must be text, not the number 1.0: quote it",
        "a.yaml:10:3: labels.severity: must be one of critical, high, medium, low, not 'urgent'",
    ),
    # Payloads
    Case(
        "payload-member",
        {"a.json": payload(('"description"', '"descripton"'))},
        "a.json:1:1: description: is missing",
        "a.json:5:3: descripton: is not a member of a create payload: did you mean description?",
    ),
    Case(
        "payload-unknown",
        {"a.json": payload(('"tekton"', '"tekton", "x": 1'))},
        "a.json:14:33: x: is not a member of a create payload",
    ),
    Case(
        "payload-server-owned",
        {"a.json": payload(('"tekton"', '"tekton", "is_latest_version": true'))},
        "a.json:14:33: is_latest_version: is set by the service and would not be stored",
    ),
    Case(
        "payload-label",
        {"a.json": payload(('"priority": "P1"', '"priority": "P1", "risk_tolerance": "low"'))},
        "a.json:12:23: labels.risk_tolerance: is not a member of a create payload",
    ),
    Case(
        "payload-severity",
        {"a.json": payload(('"high"', '"urgent"'))},
        "a.json:9:5: labels.severity: must be one of critical, high, medium, low, not 'urgent'",
    ),
    Case(
        "payload-no-severity",
        {"a.json": payload(('    "severity": "high",\n', ""))},
        "a.json:7:3: labels.severity: is missing: must be one of critical, high, medium, low",
    ),
    Case(
        "payload-version",
        {"a.json": payload(('"1.0.0"', "1.0"))},
        "a.json:3:3: version: must be text, not the number 1.0: quote it",
    ),
    Case(
        "payload-yaml-version",
        {"a.yaml": payload(('"1.0.0"', "1.10"))},
        "a.yaml:3:3: version: must be text, not the number 1.10: quote it",
    ),
    Case(
        "payload-yaml-date",
        {"a.yaml": payload(('"tekton"', '"tekton", "parameters": {"since": 2026-01-31}'))},
        "a.yaml:14:48: parameters.since: must be text, not the date 2026-01-31: quote it",
    ),
    Case(
        "payload-hash",
        {"a.json": payload(('"tekton"', '"tekton", "content_hash": "abc"'))},
        "a.json:14:33: content_hash: must have 64 characters, has 3",
    ),
    Case(
        "payload-status",
        {"a.json": payload(('"tekton"', '"tekton", "status": "on"'))},
        "a.json:14:33: status: must be one of active, disabled, deprecated, archived, not 'on'",
    ),
    Case(
        "payload-rate",
        {"a.json": payload(('"tekton"', '"tekton", "expected_success_rate": 1.5'))},
        "a.json:14:33: expected_success_rate: must be from 0 to 1",
    ),
    Case(
        "payload-parameters",
        {"a.json": payload(('"tekton"', '"tekton", "parameters": []'))},
        "a.json:14:33: parameters: must be a mapping, not a list",
    ),
    Case(
        "payload-custom-labels",
        {"a.json": payload(('"tekton"', '"tekton", "custom_labels": {"kubernaut.io/team": [1]}'))},
        "a.json:14:73: custom_labels.kubernaut.io/team[0]: must be text, not the number 1: quote it",
    ),
    Case(
        "payload-surrogate",
        {"a.json": payload(("any text", "\\ud800"))},
        "a.json:6:3: content: must not contain a lone surrogate (at 0)",
    ),
    Case(
        "payload-no-content", {"a.json": payload(('  "content": "any text",\n', ""))}, "a.json:1:1: content: is missing"
    ),
    Case("payload-empty-content", {"a.json": payload(("any text", ""))}, "a.json:6:3: content: must not be empty"),
    # Content files
    Case(
        "content-missing",
        {"a.json": payload((CONTENT, '"content_file": "b.yaml"'))},
        "a.json:6:3: content_file: 'b.yaml' does not exist",
    ),
    Case(
        "content-above",
        {"d/a.json": payload((CONTENT, '"content_file": "../b.yaml"')), "b.yaml": GOOD},
        "d/a.json:6:3: content_file: must stay in the directory of this file, '../b.yaml' leaves it",
    ),
    Case(
        "content-absolute",
        {"a.json": payload((CONTENT, '"content_file": "/etc/hostname"'))},
        "a.json:6:3: content_file: must be a path relative to this file, not '/etc/hostname'",
    ),
    Case(
        "content-itself",
        {"a.json": payload((CONTENT, '"content_file": "./a.json"'))},
        "a.json:6:3: content_file: names the file that it is in",
    ),
    Case(
        "content-twice",
        {"a.json": payload((CONTENT, '"content": "any text", "content_file": "b.txt"')), "b.txt": "x"},
        "a.json:6:3: content: is given beside content_file: keep one of them",
    ),
    Case(
        "content-number",
        {"a.json": payload((CONTENT, '"content_file": 5'))},
        "a.json:6:3: content_file: must be text, not int",
    ),
    Case(
        "content-directory",
        {"a.json": payload((CONTENT, '"content_file": "d"')), "d/x.txt": ""},
        "a.json:6:3: content_file: 'd' can't be read: Is a directory",
    ),
    Case(
        "content-latin-1",
        {"a.json": payload((CONTENT, '"content_file": "b.txt"')), "b.txt": "line\nü".encode("latin-1")},
        "b.txt:2:1: byte 0xFC at offset 5 is not UTF-8 (Latin-1?): save the file as UTF-8",
    ),
    Case(
        "content-large",
        {"a.json": payload((CONTENT, '"content_file": "b.txt"')), "b.txt": "x" * 2**21},
        "a.json:6:3: content_file: 'b.txt' is larger than 1 MiB (1048576 bytes), the limit of a document: split it",
    ),
    Case(
        "content-bad-document",
        {"a.json": '{"content_file": "b.yaml"}', "b.yaml": good(("severity: high", "severity: urgent"))},
        "b.yaml:9:3: labels.severity: must be one of critical, high, medium, low, not 'urgent'",
    ),
    Case(
        "content-no-document",
        {"a.json": '{"content_file": "b.txt", "workflow_name": "a"}', "b.txt": "text"},
        "a.json:1:1: version: is missing",
        "a.json:1:1: name: is missing",
        "a.json:1:1: description: is missing",
        "a.json:1:1: labels: is missing",
        "a.json:1:1: execution_engine: is missing",
    ),
    Case(
        "content-broken",
        {"a.json": '{"content_file": "b.yaml"}', "b.yaml": GOOD + "x: [\n"},
        "b.yaml:23:1: is not YAML: a value is missing",
    ),
    # Several documents
    Case(
        "second-document",
        {"a.yaml": GOOD + "---\n" + good(("severity: high", "severity: urgent"), ('"1.0.0"', '"1.1.0"'))},
        "a.yaml:31:3: labels.severity: must be one of critical, high, medium, low, not 'urgent'",
    ),
    Case(
        "syntax-after-bad-document",
        {"a.yaml": good(("severity: high", "severity: urgent")) + "---\nx: [\n"},
        "a.yaml:9:3: labels.severity: must be one of critical, high, medium, low, not 'urgent'",
        "a.yaml:24:1: is not YAML: a value is missing",
    ),
    Case(
        "same-version",
        {"a.yaml": GOOD, "b.yaml": good(("a pod.", "two pods."))},
        (
            "b.yaml:5:3: metadata.version: restart-pod 1.0.0 is given with other content in "
            "catalog/a.yaml:1: give one of them a new version"
        ),
    ),
    Case(
        "same-version-in-stream",
        {"a.yaml": GOOD + "---\n" + good(("a pod.", "two pods."))},
        (
            "a.yaml:27:3: metadata.version: restart-pod 1.0.0 is given with other content in "
            "catalog/a.yaml:1: give one of them a new version"
        ),
    ),
    Case(
        "descending",
        {"a.yaml": good(('"1.0.0"', '"1.1.0"')) + "---\n" + GOOD},
        ("a.yaml:27:3: metadata.version: '1.0.0' comes after '1.1.0': put the versions of a name in ascending order"),
    ),
    Case(
        "descending-json",
        {"a.json": f"[{payload(('1.0.0', '1.10.0'))},\n{payload(('1.0.0', '1.9.0'))}]"},
        "a.json:19:3: version: '1.9.0' comes after '1.10.0': put the versions of a name in ascending order",
    ),
    Case(
        "second-item",
        {"a.json": f"[{PAYLOAD},\n{payload(('high', 'urgent'), ('1.0.0', '1.1.0'))}]"},
        "a.json:25:5: labels.severity: must be one of critical, high, medium, low, not 'urgent'",
    ),
    Case(
        "item-with-alias",
        {"a.yaml": "- &x {a: b}\n-\n" + indented(good(("severity: high", "severity: *x")))},
        ("a.yaml:1:3: is neither a document with kind: WorkflowSchema nor a create payload with workflow_name"),
        "a.yaml:3:3: can't stand alone: make it a document of its own instead of an item of a list",
        "a.yaml:11:5: labels.severity: must be text, not a mapping",
    ),
    Case(
        "two-files",
        {"b.yaml": "x: [\n", "a.yaml": "", "c/d.json": "{"},
        "a.yaml: is empty",
        "b.yaml:2:1: is not YAML: a value is missing",
        "c/d.json:1:2: is not JSON: it ends too early",
    ),
    Case(
        "controls-in-key",
        {"a.json": payload(('"tekton"', '"tekton", "\\u001b[31mred": 1'))},
        "a.json:14:33: \\x1b[31mred: is not a member of a create payload",
    ),
    Case(
        "long-value",
        {"a.yaml": good(("severity: high", "severity: " + "x" * 5000))},
        (
            "a.yaml:9:3: labels.severity: must be one of critical, high, medium, low, not "
            "'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…"
        ),
    ),
]


@pytest.fixture(params=PARSERS)
def _parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The report is the same whether PyYAML has libyaml or not."""
    monkeypatch.setattr(yamltext, "PARSER", PARSERS[request.param])


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty directory to work in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_there_are_enough_cases() -> None:
    assert len({case.name for case in CASES}) == len(CASES) > 150


@pytest.mark.usefixtures("_parser")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_report_of_bad_files(case: Case, here: Path) -> None:
    write(here / "catalog", case.files)
    assert report("catalog") == case.lines


# Limits, at the limit and one beyond ---------------------------------------------------------------------------------


def deep(opening: str, levels: int, innermost: str = "1") -> str:
    """A flow collection of so many levels."""
    return opening * levels + innermost + {"[": "]", "{a: ": "}"}[opening] * levels


def too_deep(text: str) -> bool:
    problems = yamltext.read_yaml(Text("a.yaml", text)).problems
    assert all("must not be nested deeper than 100 levels" in each.reason for each in problems)
    return bool(problems)


@pytest.mark.parametrize("opening", ["[", "{a: "])
def test_levels_below_the_mapping_of_a_document(opening: str) -> None:
    assert not too_deep(f"x: {deep(opening, 99)}\n")
    assert too_deep(f"x: {deep(opening, 100)}\n")


@pytest.mark.parametrize("inner", ["[", "{a: "])
@pytest.mark.parametrize("outer", ["[", "{a: "])
@pytest.mark.parametrize("levels", [0, 1, 50])
def test_an_alias_has_the_levels_of_what_it_names(inner: str, outer: str, levels: int) -> None:
    anchor = f"a: &a {deep(inner, levels)}\n"
    assert not too_deep(f"{anchor}b: {deep(outer, 99 - levels, '*a')}\n")
    assert too_deep(f"{anchor}b: {deep(outer, 100 - levels, '*a')}\n")


@pytest.mark.parametrize(("prefix", "digit"), [("0x", "f"), ("1.", "5"), ("", "7")])
def test_digits_of_a_number(prefix: str, digit: str) -> None:
    text = prefix + digit * (yamltext.NUMBER_LIMIT - len(prefix))
    (document,) = yamltext.read_yaml(Text("a.yaml", f"a: {text}\n")).documents
    assert document.value == {"a": yaml.safe_load(text)}
    (problem,) = yamltext.read_yaml(Text("a.yaml", f"a: {text}{digit}\n")).problems
    assert "can't be read as" in problem.reason


def test_a_file_as_large_as_the_limit_is_read_whole(tmp_path: Path) -> None:
    text = GOOD + "# " + "x" * (SIZE_LIMIT - len(GOOD) - 3)
    write(tmp_path, {"a.yaml": f"{text}\n"})
    (workflow,) = load(tmp_path / "a.yaml")
    assert workflow.content == f"{text}\n"
    write(tmp_path, {"a.yaml": f"{text}x\n"})
    assert "is larger than 1 MiB (1048576 bytes)" in report(tmp_path / "a.yaml")[0]
