"""A service in a process of its own, on the golden artefact."""

import http.client
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from serve.conftest import GOLDEN, KEY

ADDRESS = re.compile(r"http://127\.0\.0\.1:(\d+) answers for")


class Process:
    """A running ``micrec serve``; its log is read in the end."""

    def __init__(
        self,
        log: Path,
        *arguments: str,
        artefacts: Sequence[str] = (f"golden={GOLDEN}",),
    ) -> None:
        """Start it and wait until it answers."""
        self.log = log
        with log.open("wb") as file:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "micrec_pyg", "serve", *artefacts),
                    *("--port", "0", *arguments),
                ],
                stdout=subprocess.DEVNULL,
                stderr=file,
                env={**os.environ, "MICREC_WRITE_KEY": KEY},
            )
        while (found := ADDRESS.search(log.read_text())) is None:
            try:
                code = self._process.wait(0.05)
            except subprocess.TimeoutExpired:
                continue
            raise RuntimeError(f"ended with {code}: {log.read_text()}")
        self.port = int(found[1])

    def __enter__(self) -> "Process":
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Kill it, if it has not ended."""
        self.end(signal.SIGKILL)

    def ask(self, path: str, body: Any = None) -> tuple[int, Any]:
        """Return status and answer of a request, on a connection of its own."""
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
        try:
            if body is None:
                client.request("GET", path, headers=headers)
            else:
                client.request("POST", path, json.dumps(body), headers)
            answer = client.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            client.close()

    def tell(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send it a signal and return its exit code."""
        if self._process.poll() is None:
            self._process.send_signal(number)
        return self._process.wait(60)
