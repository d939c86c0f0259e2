"""The README's first requests, made as they stand there."""

import json
import subprocess
import sys
from pathlib import Path
from shutil import which

import pytest

from tests.api.server import serving
from tests.local import url_of
from tests.program import ROOT, SECONDS, environment


@pytest.mark.skipif(which("curl") is None, reason="curl is not installed")
def test_the_first_requests_are_answered(tmp_path: Path) -> None:
    _, _, begun = (
        (ROOT / "README.md").read_text().partition("```sh\ntallyhold serve --sandbox --db sqlite:///try.sqlite\n")
    )
    script, _, _ = begun.partition("```")
    where = tmp_path / "try.sqlite"
    with serving(tmp_path, where) as platform:
        asked = script.replace("sqlite:///try.sqlite", url_of(where)).replace("http://127.0.0.1:8000", platform.url)
        program = f'tallyhold() {{ "{sys.executable}" -m api.main "$@"; }}\n'
        command = ["bash", "-ec", program + asked.replace("curl", "curl -sS -w '\\n'")]
        done = subprocess.run(
            command,
            env=environment(no_proxy="*"),
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
