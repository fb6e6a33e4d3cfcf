"""The lists over HTTP: `python -m storefront.service`. Needs FastAPI, uvicorn[standard], pydantic-settings, msgspec
and prometheus-client beside redis-py, and nothing else of this repository."""
