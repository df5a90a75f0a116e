"""Telling someone: one JSON message to the webhook in ``CITYLAKE_WEBHOOK_URL``, or nothing where none is set.

Here belongs the sending only. What is worth an alert is decided where it happens. Messages carry codes and
counts, never a value out of a row.
"""

from __future__ import annotations

import logging
import os

import httpx

log = logging.getLogger("citylake.alerts")


def alert(event: str, **facts: str | int) -> bool:
    """Send one alert; False where no webhook is set or it does not answer (which is logged, and stops nothing)."""
    url = os.environ.get("CITYLAKE_WEBHOOK_URL")
    if not url:
        return False
    try:
        httpx.post(url, json={"event": event, **facts}, timeout=5).raise_for_status()
    except httpx.HTTPError as error:
        log.warning("the webhook did not take the alert %r: %s", event, type(error).__name__)
        return False
    return True
