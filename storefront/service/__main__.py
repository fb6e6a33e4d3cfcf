"""`python -m storefront.service`: the lists over HTTP; `--help` tells every setting."""

import os
import sys
import tempfile

import uvicorn
from pydantic import ValidationError
from pydantic_settings import CliApp
from uvicorn.importer import ImportFromStringError

from storefront.service import metrics
from storefront.service.settings import ServiceSettings

WRONG = 65
KEEP_ALIVE_SECONDS = 75
"""Longer than the usual 60 s of a load balancer, which must be the one to close an idle connection."""


def main() -> int:
    """Serve until a SIGTERM; returns the exit code."""
    try:
        settings = CliApp.run(ServiceSettings)
        os.environ |= settings.environment()
        if settings.workers > 1 and not os.environ.get(metrics.SHARED):
            with tempfile.TemporaryDirectory(prefix="storefront-metrics-") as folder:
                os.environ[metrics.SHARED] = folder
                serve(settings)
        else:
            serve(settings)
    except ValidationError as error:
        for fault in error.errors():
            print(f"error: {'.'.join(map(str, fault['loc']))}={fault['input']!r}: {fault['msg']}", file=sys.stderr)
        return WRONG
    except (OSError, ImportFromStringError) as error:
        print(f"error: {error}", file=sys.stderr)
        return WRONG
    return 0


def serve(settings: ServiceSettings) -> None:
    """Run the server; several workers make the application for themselves, from the environment."""
    from storefront.service.app import create_app  # after the metrics' folder is known

    app = create_app(settings)
    uvicorn.run(
        app if settings.workers == 1 else "storefront.service.app:create_app",
        factory=settings.workers > 1,
        host=settings.host,
        port=settings.port,
        workers=settings.workers,
        loop="uvloop",
        http="httptools",
        ws="none",
        log_level=settings.log_level,
        access_log=settings.access_log,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=settings.shutdown_seconds,
    )


if __name__ == "__main__":
    sys.exit(main())
