"""The README's first requests, made as they stand there."""

import json
import subprocess
import sys
from pathlib import Path

from tests.api.server import serving
from tests.local import url_of
from tests.program import ROOT, SECONDS, environment

CURL = """
import argparse, httpx2

parser = argparse.ArgumentParser()
parser.add_argument("-H", dest="header")
parser.add_argument("--json")
parser.add_argument("url")
asked = parser.parse_args()
headers = dict([asked.header.split(": ", 1)])
if asked.json is not None:
    headers["content-type"] = "application/json"
method = "GET" if asked.json is None else "POST"
print(httpx2.request(method, asked.url, headers=headers, content=asked.json, trust_env=False).text)
"""
"""What these requests need of curl, which not every machine has."""


def test_the_first_requests_are_answered(tmp_path: Path) -> None:
    _, _, begun = (
        (ROOT / "README.md").read_text().partition("```sh\ntallyhold serve --sandbox --db sqlite:///try.sqlite\n")
    )
    script, _, _ = begun.partition("```")
    where = tmp_path / "try.sqlite"
    with serving(tmp_path, where) as platform:
        asked = script.replace("sqlite:///try.sqlite", url_of(where)).replace("http://127.0.0.1:8000", platform.url)
        (tmp_path / "curl.py").write_text(CURL)
        programs = "".join(
            f'{name}() {{ "{sys.executable}" {run} "$@"; }}\n'
            for name, run in {"tallyhold": "-m api.main", "curl": "curl.py"}.items()
        )
        command = ["bash", "-ec", programs + asked]
        done = subprocess.run(
            command,
            env=environment(),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    assert (done.returncode, done.stderr) == (0, "")
    billing, ledger = map(json.loads, done.stdout.splitlines())
    assert (billing["balanceCents"], billing["heldCents"]) == (20_000, 0)
    assert [entry["type"] for entry in ledger["data"]] == ["credit_purchase"]
