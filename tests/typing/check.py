"""Judges the samples in this directory with mypy and pyright, both strict, against an installed wheel.

    python tests/typing/check.py PYTHON       PYTHON: the interpreter of the environment that holds the wheel

`right/` holds what users write; neither checker may find anything. `wrong/` holds mistakes; each line that a checker
has to refuse ends in a comment that names the error each of them must give:

    MandatoryLabels(severity="critcal")  # wrong: mypy[arg-type] pyright[reportArgumentType]

Exactly these errors are required: one that is missing, elsewhere or of another kind fails, and so does a file in
`wrong/` without any. Needs mypy and pyright in the environment that runs it.
"""

import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

_HERE = Path(__file__).parent
_EXPECTED = re.compile(r"# wrong:((?: (?:mypy|pyright)\[[\w-]+\])+)$")
_ONE = re.compile(r"(mypy|pyright)\[([\w-]+)\]")


class Finding(NamedTuple):
    file: str
    line: int
    checker: str
    rule: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.checker}[{self.rule}]"


def main() -> int:
    python = str(Path(sys.argv[1]).absolute())
    expected = set(_expected())
    problems = [
        f"{path}: expects no error" for path in _samples("wrong") if not any(one.file == path for one in expected)
    ]
    problems += [f"{one.file}: expects an error" for one in expected if one.file.startswith("right/")]
    with tempfile.TemporaryDirectory(prefix="kubernaut-client-") as directory:
        # Away from the source tree, which the checkers would read in place of the wheel.
        for part in ("right", "wrong"):
            shutil.copytree(_HERE / part, Path(directory) / part)
        found = {**_mypy(python, directory), **_pyright(python, directory)}
    problems += [f"{one} not found" for one in sorted(expected - found.keys())]
    problems += [f"{one} not expected: {found[one]}" for one in sorted(found.keys() - expected)]
    for problem in problems:
        print(problem)
    print(f"{len(_samples('right'))} files right, {len(expected)} errors expected, {len(problems)} problems")
    return 1 if problems or not expected else 0


def _samples(part: str) -> list[str]:
    return sorted(path.relative_to(_HERE).as_posix() for path in (_HERE / part).glob("*.py"))


def _expected() -> list[Finding]:
    expected: list[Finding] = []
    for path in (*_samples("right"), *_samples("wrong")):
        for number, line in enumerate((_HERE / path).read_text("utf-8").splitlines(), 1):
            if match := _EXPECTED.search(line):
                expected += [Finding(path, number, *one) for one in _ONE.findall(match[1])]
    return expected


def _mypy(python: str, directory: str) -> dict[Finding, str]:
    output = _run(
        directory,
        *(
            "mypy",
            "--strict",
            "--python-executable",
            python,
            "--cache-dir",
            "cache",
            "--config-file",
            "",
            "--output",
            "json",
        ),
        *("--explicit-package-bases", "right", "wrong"),
    )
    errors = [json.loads(line) for line in output.splitlines()]
    return {
        Finding(one["file"], one["line"], "mypy", one["code"]): one["message"]
        for one in errors
        if one["severity"] == "error"
    }


def _pyright(python: str, directory: str) -> dict[Finding, str]:
    settings = {"typeCheckingMode": "strict", "pythonVersion": "3.11", "include": ["right", "wrong"]}
    (Path(directory) / "pyrightconfig.json").write_text(json.dumps(settings), "utf-8")
    output = _run(directory, "pyright", "--pythonpath", python, "--outputjson")
    root = Path(directory).resolve()
    return {
        Finding(
            Path(one["file"]).resolve().relative_to(root).as_posix(),
            one["range"]["start"]["line"] + 1,
            "pyright",
            one.get("rule", "syntax"),
        ): one["message"]
        for one in json.loads(output)["generalDiagnostics"]
    }


def _run(directory: str, *command: str) -> str:
    done = subprocess.run([sys.executable, "-m", *command], check=False, cwd=directory, capture_output=True, text=True)
    # 1 means that errors were found, which is what the wrong samples are for.
    if done.returncode not in (0, 1):
        sys.exit(f"{command[0]} failed with exit code {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
