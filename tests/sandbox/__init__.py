"""Tests of the sandbox: the official SDKs talk to it."""
