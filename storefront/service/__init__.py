"""The lists over HTTP: `python -m storefront.service`. Needs FastAPI, uvicorn, pydantic-settings, msgspec and
prometheus-client beside redis-py, and nothing else of this repository."""
