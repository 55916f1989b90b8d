"""Text files that people or their tools write: lists, names."""

from maskbeam.pipeline.errors import StoreError, UsageError, in_words
from maskbeam.pipeline.runtime import files
from maskbeam.transforms import texts

MAX_BYTES = 1 << 30


def read(path: str, max_bytes: int = MAX_BYTES) -> str:
    """Reads a text file: UTF-8, with a byte order mark or without, or marked UTF-16.

    Args:
        path: on any of Beam's filesystems; no pipe and no device, if it is local.
        max_bytes: the most that the file may have.

    Raises:
        UsageError: it cannot be read, is larger, or is no such text; the message has
            the line.
    """
    try:
        if files.is_local(path) and not files.inside_archive(path):
            data = texts.read_file(path, max_bytes)
        else:
            with files.open_raw(path) as file:
                data = texts.read_stream(file, max_bytes)
        return texts.decode(data)
    except StoreError as error:
        raise UsageError(f"{error}") from error
    except OSError as error:
        raise UsageError(
            f"{path} cannot be read: {error.strerror or in_words(error)}"
        ) from error
    except ValueError as error:
        raise UsageError(f"{path} {error}") from error
