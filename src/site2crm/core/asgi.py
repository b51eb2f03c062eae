"""ASGI's shapes as this code uses them: the framework's own types cannot tell http from websockets apart."""

from collections.abc import Awaitable, Callable
from typing import Any

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
ASGIApp = Callable[[Any, Any, Any], Awaitable[None]]
Fallback = Callable[[Scope, Send, str], Awaitable[bool]]
"""(scope, send, the path's one segment): whether it has answered; if not, the request goes the usual way."""
