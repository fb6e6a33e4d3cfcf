"""The KPI pages of experiments, a router for the storefront's service.

Mounted by `STOREFRONT_EXTENSIONS=jobs.experiment_web:router`. `/kpi` lists what was analysed,
`/kpi/<surface>/<experiment>/<from>/<to>` shows one result, and `.json` behind it gives the figures. For the shop's
staff: put it behind the shop's own login. Reads the lake's table `experiments` and no more.
"""

from typing import Any

from fastapi import APIRouter, HTTPException
from fastapi.responses import HTMLResponse

from lake.settings import settings
from models import experiment_page, experiment_results

router = APIRouter(tags=["experiments"])

RESULT = "/kpi/{surface}/{experiment}/{first}/{last}"
MISSING: dict[int | str, dict[str, Any]] = {404: {"description": "this window was not analysed"}}


# Plain functions: FastAPI runs them in a thread, so that reading the lake holds up no lookup.


@router.get("/kpi", response_class=HTMLResponse, summary="All analysed experiments")
def overview() -> str:
    return experiment_page.index(experiment_results.overview(settings()))


@router.get(f"{RESULT}.json", summary="One result as JSON", responses=MISSING)
def result_json(surface: str, experiment: str, first: str, last: str) -> dict[str, Any]:
    return _found(surface, experiment, first, last)


@router.get(RESULT, response_class=HTMLResponse, summary="The KPI page of one result", responses=MISSING)
def result_page(surface: str, experiment: str, first: str, last: str) -> str:
    return experiment_page.page(_found(surface, experiment, first, last))


def _found(surface: str, experiment: str, first: str, last: str) -> dict[str, Any]:
    found = experiment_results.find(settings(), surface, experiment, first, last)
    if found is None:
        told = f"python -m jobs.experiment --surface {surface} --from {first} --to {last}"
        raise HTTPException(404, f"experiment {experiment} on {surface}, {first} to {last}, was not analysed: {told}")
    return found
