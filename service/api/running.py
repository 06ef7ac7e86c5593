"""Runs that are queued or claimed, for operators."""

from service.postgres.calls import FunctionCaller, Row


def zombies_first(functions: FunctionCaller, runs: list[Row], limit: int) -> list[Row]:
    """The first page of list_running_syncs, with up to `limit` of all zombies in front."""
    zombies = functions.rows("list_running_syncs", limit, p_cause="zombie")
    shown = {zombie["task_id"] for zombie in zombies}
    return zombies + [run for run in runs if run["task_id"] not in shown]
