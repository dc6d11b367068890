"""Logs as JSON, a line each, with the import's name: what log collectors of clusters take apart by themselves."""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import TextIO


class JsonLines(logging.Formatter):
    """Formats a record as one line of JSON.

    Args:
        subject: the import, ``namespace/name``; "" while it is not known.
    """

    def __init__(self, subject: str) -> None:
        super().__init__()
        self._subject = subject

    def format(self, record: logging.LogRecord) -> str:
        """Write the line; a traceback is one field of it."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "import": self._subject,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def log_as_json(subject: str, out: TextIO = sys.stderr) -> None:
    """Let everything of Thresher's be logged to ``out``, and of others what is a warning."""
    handler = logging.StreamHandler(out)
    handler.setFormatter(JsonLines(subject))
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.getLogger("thresher").setLevel(logging.INFO)
