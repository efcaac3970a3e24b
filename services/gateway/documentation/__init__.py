"""The interface described: OpenAPI, AsyncAPI and a page for people."""
