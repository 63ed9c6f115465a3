"""The tests. They talk to a real PostgreSQL, a real Valkey and the sandbox over HTTP; nothing of ours is mocked."""
