"""An S3 on loopback (moto's), that can be told to fail."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow.fs as pafs
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

# What moto holds is the process's, not the server's.
_numbers = itertools.count(1)


class FailingS3:
    """Its address, and how it answers: as S3, with 500, or not at all until told otherwise."""

    def __init__(self) -> None:
        self.mode = "works"
        self.failed = 0
        self.endpoint = ""
        self.bucket = f"cointide-{next(_numbers)}"
        self._goes_on = threading.Event()
        self._application = DomainDispatcherApplication(create_backend_app)

    @property
    def url(self) -> str:
        """Return what `archive_url` is to be."""
        return f"s3://{self.bucket}/some/prefix?endpoint_override={self.endpoint}&region=us-east-1"

    def fail(self, mode: str) -> None:
        """Answer with 500 (`500`), or be silent (`silent`), from now on."""
        self._goes_on.clear()
        self.mode = mode

    def work(self) -> None:
        """Answer as S3 from now on."""
        self.mode = "works"
        self._goes_on.set()

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        """Answer a request."""
        if self.mode == "works":
            answer: Iterable[bytes] = self._application(environ, start)
            return answer
        self.failed += 1
        if self.mode == "silent":
            self._goes_on.wait(30)
        start("500 Internal Server Error", [("Content-Length", "0")])
        return []


@contextmanager
def failing_s3() -> Iterator[FailingS3]:
    """Run an S3 with an empty bucket; the keys are to be in the environment already."""
    s3 = FailingS3()
    server = make_server("127.0.0.1", 0, s3, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        s3.endpoint = f"http://127.0.0.1:{server.port}"
        filesystem = pafs.S3FileSystem(
            endpoint_override=s3.endpoint, region="us-east-1", allow_bucket_creation=True
        )
        filesystem.create_dir(s3.bucket)
        yield s3
    finally:
        s3.work()
        server.shutdown()
        thread.join()
        server.server_close()
