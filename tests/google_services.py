"""A stand-in for those of Google's services that no emulator has.

It gives a token to any account, and takes jobs as Dataflow's REST API (v1b3) does: what
becomes of a job is for `run_job` to say.
"""

import http.server
import json
import threading
import urllib.parse
from collections.abc import Callable
from typing import Any

DONE, FAILED = "JOB_STATE_DONE", "JOB_STATE_FAILED"


class Services(http.server.ThreadingHTTPServer):
    """Serves at `url`, from its making until `shutdown`.

    Args:
        run_job: from a job's JSON to the state that it ends in.
    """

    def __init__(self, run_job: Callable[[dict[str, Any]], str] | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.run_job = run_job
        self.jobs: dict[str, dict[str, Any]] = {}
        self.url = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def answer(self, method: str, path: str, body: bytes) -> dict[str, Any]:
        """Answers one request."""
        if path.endswith("/token"):
            return {"access_token": "any", "expires_in": 3600, "token_type": "Bearer"}
        if method == "POST" and path.endswith("/jobs"):
            job = json.loads(body)
            job["id"] = f"2026-01-01_00_00_00-{len(self.jobs)}"
            job["currentState"] = "JOB_STATE_RUNNING"
            self.jobs[job["id"]] = job
            threading.Thread(target=self._run, args=[job], daemon=True).start()
            return job
        if path.endswith("/messages"):
            return {"jobMessages": []}
        if path.endswith("/metrics"):
            return {"metrics": []}
        return self.jobs[path.rpartition("/")[2]]

    def _run(self, job: dict[str, Any]) -> None:
        state = FAILED
        try:
            state = self.run_job(job) if self.run_job else DONE
        finally:
            job["currentState"] = state


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Services

    def _respond(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        # Through a proxy, as which this serves too, the path has the host.
        path = urllib.parse.urlsplit(self.path).path.rstrip("/")
        content = json.dumps(self.server.answer(self.command, path, body)).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = _respond  # noqa: N815

    def log_message(self, *_: object) -> None:
        """Not to the tests' output."""


def service_account(token_url: str) -> str:
    """The key file of an account that only the server of these tokens knows."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(65537, 2048).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return json.dumps(
        {
            "type": "service_account",
            "project_id": "project",
            "private_key_id": "1",
            "private_key": key.decode(),
            "client_email": "tester@project.test",
            "token_uri": token_url,
        }
    )
