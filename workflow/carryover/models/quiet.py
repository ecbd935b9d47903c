"""transformers without its messages, where what they would say is checked by the caller."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet() -> Iterator[None]:
    """While it is open, transformers logs errors alone."""
    from transformers.utils import logging  # here, since its import takes longer than a small model's job

    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
