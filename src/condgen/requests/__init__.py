"""Requests, in terms or words, parsed into constraints on attributes."""

from condgen.requests.phrase import Understood, understand
from condgen.requests.request import Request, Requestable, parse_requests

__all__ = ["Request", "Requestable", "Understood", "parse_requests", "understand"]
