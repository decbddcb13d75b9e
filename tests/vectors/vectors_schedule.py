"""Vectors of leaders and standings."""

from __future__ import annotations

import random
from dataclasses import asdict
from typing import Any

from cybermesh_ref import schedule
from vectors_common import fixed

PARAMETERS = [
    schedule.DEFAULTS,
    {**schedule.DEFAULTS, "reputation_leader_min_ppm": 900_000, "reputation_missed_ppm": 300_000,
     "reputation_signer_ppm": 0, "schedule_epoch_blocks": 5, "schedule_lag_blocks": 5},
    {**schedule.DEFAULTS, "reputation_proposer_ppm": 1_000_000, "schedule_epoch_blocks": 1, "schedule_lag_blocks": 1},
]


def _ids(count: int) -> list[bytes]:
    return [fixed(f"schedule id {i}") for i in range(count)]


def _standings(rng: random.Random, count: int) -> list[schedule.Standing]:
    marks = [0, 1, 49_999, 50_000, 699_999, 700_000, 700_001, 990_000, 998_000, 999_999, 1_000_000]
    return [
        schedule.Standing(
            active=rng.random() > 0.15,
            reputation_ppm=rng.choice(marks),
            blocks_proposed=rng.randrange(100),
            blocks_committed=rng.randrange(1 << 40),
            views_missed=rng.randrange(3),
            last_active_height=rng.randrange(50),
        )
        for _ in range(count)
    ]


def _epochs() -> list[dict[str, Any]]:
    heights = [0, 1, 4, 5, 7, 8, 9, 10, 63, 64, 71, 72, 73, 135, 136, 1 << 40]
    return [
        {"name": f"height {height} of {parameters['schedule_epoch_blocks']}", "parameters": parameters,
         "height": height, "expect": schedule.epoch(parameters, height)}
        for parameters in PARAMETERS for height in heights
    ]


def _blocks() -> list[dict[str, Any]]:
    rng = random.Random("cybermesh schedules")
    cases = []
    for number in range(60):
        count = 64 if number == 30 else rng.choice([1, 2, 4, 5, 7])
        parameters, ids, before = rng.choice(PARAMETERS), _ids(count), _standings(rng, count)
        turns = schedule.leaders(parameters, ids, before)
        justify_view = rng.randrange(1000)
        view = justify_view + rng.choice([1, 1, 2, 3, 5, 70, 1 << 50])
        signers = rng.getrandbits(count)
        proposer = rng.choice([None, rng.randrange(count)])
        missed = schedule.skipped(turns, justify_view, view)
        after = schedule.apply(parameters, before, 60, proposer, signers, missed)
        cases.append({
            "name": f"block {number}: {count} validators, views {justify_view} to {view}",
            "parameters": parameters,
            "ids": [each.hex() for each in ids],
            "standings": [asdict(each) for each in before],
            "height": 60,
            "justify_view": justify_view,
            "view": view,
            "proposer": proposer,
            "signers": f"{signers:016x}",
            "leader": schedule.leader(turns, view),
            "skipped": f"{sum(1 << i for i in missed):016x}",
            "after": [asdict(each) for each in after],
            "expect": turns,
        })
    return cases


def files() -> dict[str, dict[str, Any]]:
    return {
        "epochs.json": {"description": "the height whose standings make the schedule of a height", "cases": _epochs()},
        "schedules.json": {"description": "leaders by standing, and the standings after a block", "cases": _blocks()},
    }
