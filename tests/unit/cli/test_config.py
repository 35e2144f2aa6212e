"""`kubernaut-client config`: what is in use and where it comes from, without asking anybody and without a secret."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.unit.cli.tools import call


def test_everything_by_options(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("SECRET-TOKEN")
    arguments = [
        "--url",
        "http://ds:1/",
        "--token-file",
        str(token),
        "--timeout",
        "2",
        "--deadline",
        "3",
        "--attempts",
        "4",
    ]
    document = call("config", "-ojson", *arguments).document
    assert document["url"] == {"value": "http://ds:1", "source": "--url"}
    assert document["base_url"] == "http://ds:1"
    assert document["token"] == {"set": True, "source": "--token-file", "file": str(token)}
    assert (document["timeout_seconds"], document["deadline_seconds"], document["attempts"]) == (2, 3, 4)
    assert document["proxy"] is None
    assert "SECRET" not in json.dumps(document)
    ran = call("config", *arguments)
    assert (ran.code, ran.stderr) == (0, "")
    assert "url:              http://ds:1 (--url)\n" in ran.stdout
    assert f"token:            set (--token-file {token})\n" in ran.stdout
    assert "SECRET" not in ran.stdout


def test_everything_by_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DATA_STORAGE_URL", "http://second")
    monkeypatch.setenv("KUBERNAUT_CA_FILE", "ca.pem")
    monkeypatch.setenv("HTTP_PROXY", "http://someone:SECRET@proxy:3128")
    monkeypatch.setenv("KUBERNAUT_TOKEN", "SECRET-TOKEN")
    monkeypatch.setenv("KUBERNAUT_TOKEN_FILE", str(tmp_path))
    document = call("config", "-ojson").document
    # The authorities are loaded, as they would be for the proxy, and aren't there.
    assert (document["exit_code"], document["error"]["type"]) == (2, "ConfigurationError")
    assert document["url"] == {"value": "http://second", "source": "DATA_STORAGE_URL"}
    assert document["proxy"] == "http://***@proxy:3128"
    assert document["base_url"] is None
    assert document["tls"]["ca_file"] == {"value": "ca.pem", "source": "KUBERNAUT_CA_FILE"}
    monkeypatch.delenv("KUBERNAUT_CA_FILE")
    ran = call("config", "-ojson")
    document = ran.document
    assert document["url"] == {"value": "http://second", "source": "DATA_STORAGE_URL"}
    assert document["token"] == {"set": True, "source": "KUBERNAUT_TOKEN", "file": None}
    assert document["proxy"] == "http://***@proxy:3128"
    assert (document["timeout_seconds"], document["deadline_seconds"], document["attempts"]) == (10, 30, 3)
    assert "SECRET" not in ran.stdout + call("config").stdout
    monkeypatch.setenv("KUBERNAUT_DATASTORAGE_URL", "http://first")
    assert call("config", "-ojson").document["url"] == {"value": "http://first", "source": "KUBERNAUT_DATASTORAGE_URL"}


def test_nothing_is_set() -> None:
    ran = call("config")
    assert ran.code == 2
    assert ran.stderr == "Error: no service is named: set --url or KUBERNAUT_DATASTORAGE_URL or DATA_STORAGE_URL\n"
    assert "url:              none\n" in ran.stdout
    assert "token:            none\n" in ran.stdout


@pytest.mark.parametrize("option", ["--timeout", "--deadline"])
@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
def test_a_limit_that_is_no_number(option: str, value: str) -> None:
    for arguments in ((), ("-ojson",)):
        ran = call("config", "--url", "http://ds", f"{option}={value}", *arguments)
        assert ran.code == 2
        assert ran.stderr.startswith(f"Error: Invalid value for '{option}': {value} is not a finite number")
        assert not arguments or ran.document["error"]["type"] == "UsageError"


@pytest.mark.parametrize("text", ["one\ntwo\n", "", " ", "one two", "é"], ids=repr)
def test_a_token_file_without_a_token(text: str, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(text, encoding="utf-8")
    ran = call("config", "--url", "http://ds", "--token-file", str(tmp_path / "token"))
    assert (ran.code, ran.stderr) == (
        2,
        "Error: --token-file must give one token of printable ASCII without spaces\n",
    )
    assert "url:              http://ds (--url)\n" in ran.stdout


def test_the_url_is_shown_whatever_else_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBERNAUT_TOKEN_FILE", "nofile")
    ran = call("config", "--url", "http://ds/")
    assert ran.code == 2
    assert "url:              http://ds (--url)\n" in ran.stdout
    assert "KUBERNAUT_TOKEN_FILE can't be read" in ran.stderr


def test_a_url_with_a_query_is_not_repeated() -> None:
    for url in ("http://ds?token=SECRET", "http://ds#SECRET", "ds?token=SECRET"):
        ran = call("config", "--url", url)
        assert ran.code == 2
        assert "SECRET" not in ran.stdout + ran.stderr


def test_a_url_with_credentials_is_not_repeated() -> None:
    for arguments in (["config"], ["config", "-ojson"]):
        ran = call(*arguments, "--url", "http://user:SECRET@ds")
        assert ran.code == 2
        assert "SECRET" not in ran.stdout + ran.stderr
        assert "--token-file" in ran.stderr
        assert "headers=" not in ran.stderr


def test_a_token_file_of_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("SECRET")
    monkeypatch.setenv("KUBERNAUT_TOKEN_FILE", str(tmp_path / "token"))
    token = call("config", "--url", "http://ds", "-ojson").document["token"]
    assert token == {"set": True, "source": "KUBERNAUT_TOKEN_FILE", "file": str(tmp_path / "token")}


HERE = [
    "http://localhost:8080",
    "http://a.localhost",
    "http://localhost.",
    "http://127.0.0.1",
    "http://127.1:80",
    "http://0x7f000001",
    "http://[::1]:8080",
    "http://[::ffff:127.0.0.1]",
    "http://0.0.0.0",
]
ELSEWHERE = [
    "http://ds.example:8080",
    "http://10.0.0.1",
    "http://inside.corp:8080",
    "https://ds.example",
    "https://inside.corp",
]
# Variables, and the proxy of each URL of ELSEWHERE.
PROXIES: list[tuple[dict[str, str], Sequence[str | None]]] = [
    ({}, [None] * 5),
    ({"http_proxy": "proxy:3128"}, ["http://proxy:3128"] * 3 + [None] * 2),
    ({"https_proxy": "http://proxy:3128"}, [None] * 3 + ["http://proxy:3128"] * 2),
    ({"ALL_PROXY": "http://proxy"}, ["http://proxy"] * 5),
    ({"http_proxy": "http://one", "all_proxy": "http://two"}, ["http://one"] * 3 + ["http://two"] * 2),
    (
        {"all_proxy": "http://proxy", "no_proxy": ".corp,10.0.0.1"},
        ["http://proxy", None, None, "http://proxy", None],
    ),
    (
        {"all_proxy": "http://proxy", "no_proxy": "inside.corp:8080"},
        ["http://proxy", "http://proxy", None, "http://proxy", "http://proxy"],
    ),
    ({"all_proxy": "http://proxy", "no_proxy": "*"}, [None] * 5),
    ({"http_proxy": ""}, [None] * 5),
]


@pytest.mark.parametrize(
    ("variables", "url", "proxy"),
    [
        (variables, url, proxy)
        for variables, elsewhere in PROXIES
        for url, proxy in zip(HERE + ELSEWHERE, [*[None] * len(HERE), *elsewhere], strict=True)
    ],
)
def test_the_proxy_is_the_one_that_the_client_takes(
    variables: dict[str, str], url: str, proxy: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert call("config", "-ojson", "--url", url).document["proxy"] == proxy
