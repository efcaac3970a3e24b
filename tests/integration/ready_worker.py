"""A small worker that stands in for an agent: it serves `/ready` until it is stopped.

It starts a grandchild and prints its process id, so that a test can see that nothing is left.
"""

from __future__ import annotations

import os
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer


class _Ready(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/ready" else 404)
        self.end_headers()


if __name__ == "__main__":
    grandchild = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    print(f"grandchild {grandchild.pid}", flush=True)
    port = int(os.environ["COINTIDE_AGENT_PORT"])
    HTTPServer((os.environ["COINTIDE_AGENT_HOST"], port), _Ready).serve_forever()
