"""Mends Beam's object stores: clients are shared, and empty files are written.

Beam makes a client for each file. A client of boto3's takes 0.4 s of work to make, and
one of Google's a new encrypted connection; reading a label map takes less.
"""

import copy
import functools
import threading
from collections.abc import Callable
from typing import Any


@functools.cache
def mend(scheme: str) -> None:
    """Makes Beam's filesystem of a scheme fit for many small files.

    Args:
        scheme: `s3` or `gs`; others are left as they are.
    """
    if scheme == "s3":
        from apache_beam.io.aws import s3io
        from apache_beam.io.aws.clients.s3 import boto3_client

        boto3_client.Client = _copies_of_one(boto3_client.Client)
        s3io.S3Uploader.finish = _with_a_part(s3io.S3Uploader.finish)
    elif scheme == "gs":
        from apache_beam.io.gcp import gcsio

        gcsio.create_storage_client = _one_a_thread(gcsio.create_storage_client)


def _copies_of_one(make: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Makes all files of S3 share one client of boto3's, which any thread may use.

    Beam wraps a client together with the stream of the file that is being read, so
    each file gets its own wrapper: a copy of one that is never read from.
    """
    make_once = _one_for_same_options(make)
    return lambda options: copy.copy(make_once(options))


def _one_a_thread(make: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Makes Google's files share a client by thread: no other thread may use it."""
    thread = threading.local()

    def make_once(options: Any) -> Any:
        if not hasattr(thread, "make_once"):
            thread.make_once = _one_for_same_options(make)
        return thread.make_once(options)

    return make_once


def _one_for_same_options(make: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Makes `make` return its last result as long as the options are the same."""
    last: tuple[Any, Any] | None = None  # options, and what was made of them

    def make_once(options: Any) -> Any:
        nonlocal last
        known = last  # another thread may replace it
        if known is None or known[0] is not options:
            last = known = (options, make(options))
        return known[1]

    return make_once


def _with_a_part(finish: Callable[[Any], None]) -> Callable[[Any], None]:
    """Sends an empty file in one empty part; Beam sends none, which S3 refuses."""

    def finish_upload(uploader: Any) -> None:
        if not uploader.parts and not uploader.buffer:
            uploader._write_to_s3(b"")
        finish(uploader)

    return finish_upload
