"""Speech both ways over a WebSocket: OpenAI's Realtime API, and what all WebSockets have in common."""
