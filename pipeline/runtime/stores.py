"""Beam's object stores, mended: one client a process, and empty files.

Beam makes a client for each file. One of boto3's takes 0.4 s of work to make, and one
of Google's a new encrypted connection; a label map is read in less.
"""

import functools
import threading
from collections.abc import Callable
from typing import Any


@functools.cache
def mend(scheme: str) -> None:
    """Makes Beam's filesystem of a scheme fit for many small files.

    Args:
        scheme: `s3`, `gs`, or another, of which nothing is known.
    """
    if scheme == "s3":
        from apache_beam.io.aws import s3io
        from apache_beam.io.aws.clients.s3 import boto3_client

        boto3_client.Client = _Copied(_Kept(boto3_client.Client))
        s3io.S3Uploader.finish = _with_a_part(s3io.S3Uploader.finish)
    elif scheme == "gs":
        from apache_beam.io.gcp import gcsio

        gcsio.create_storage_client = _KeptByThread(gcsio.create_storage_client)


def _with_a_part(finish: Callable[[Any], None]) -> Callable[[Any], None]:
    """Beam sends an empty file in no parts, which S3 refuses; in an empty one then."""

    def finish_upload(uploader: Any) -> None:
        if not uploader.parts and not uploader.buffer:
            uploader._write_to_s3(b"")
        finish(uploader)

    return finish_upload


class _Kept:
    """A function of options that makes anew only where these are others."""

    def __init__(self, make: Callable[..., Any]) -> None:
        self._make = make
        self._made: tuple[Any, Any] | None = None  # options, and what is made of them

    def __call__(self, options: Any) -> Any:
        made = self._made
        if made is None or made[0] is not options:
            self._made = made = (options, self._make(options))
        return made[1]


class _KeptByThread(threading.local):
    """Likewise, for what only one thread may use."""

    def __init__(self, make: Callable[..., Any]) -> None:
        self._kept = _Kept(make)  # of this thread: `local` does this once in each

    def __call__(self, options: Any) -> Any:
        return self._kept(options)


class _Copied:
    """Beam's wrappers, each with a stream of its own, around one client of boto3's."""

    def __init__(self, first: Callable[..., Any]) -> None:
        self._first = first

    def __call__(self, options: Any) -> Any:
        template = self._first(options)  # never used itself, so without a stream
        wrapper = object.__new__(type(template))
        vars(wrapper).update(vars(template))
        return wrapper
