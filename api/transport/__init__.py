"""What speaks HTTP, WebSocket and server-sent events: from bytes to a request, and from an answer to bytes."""
