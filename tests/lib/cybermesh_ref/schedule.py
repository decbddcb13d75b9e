"""Leaders and standings: docs/protocol.md, "Leaders"."""

from __future__ import annotations

from dataclasses import dataclass, replace

from .genesis import quorum

DEFAULTS = {
    "reputation_initial_ppm": 1_000_000,
    "reputation_leader_min_ppm": 700_000,
    "reputation_proposer_ppm": 10_000,
    "reputation_signer_ppm": 2_000,
    "reputation_missed_ppm": 50_000,
    "schedule_epoch_blocks": 64,
    "schedule_lag_blocks": 8,
}
REPUTATION_MAX = 1_000_000


@dataclass(frozen=True)
class Standing:
    active: bool = True
    reputation_ppm: int = 1_000_000
    blocks_proposed: int = 0
    blocks_committed: int = 0
    views_missed: int = 0
    last_active_height: int = 0


def epoch(parameters: dict[str, int], height: int) -> int:
    """The height whose standings say who leads the children of a block at this height."""
    newest = height - parameters["schedule_lag_blocks"]
    return newest // parameters["schedule_epoch_blocks"] * parameters["schedule_epoch_blocks"] if newest > 0 else 0


def leaders(parameters: dict[str, int], ids: list[bytes], standings: list[Standing]) -> list[int]:
    """Indices of the leaders in turn: view v is led by the (v mod their number)th."""
    everybody = range(len(ids))
    threshold = parameters["reputation_leader_min_ppm"]
    chosen = [i for i in everybody if standings[i].active and standings[i].reputation_ppm >= threshold]
    others = sorted(
        (i for i in everybody if i not in chosen),
        key=lambda i: (not standings[i].active, -standings[i].reputation_ppm, ids[i]),
    )
    chosen += others[: max(0, quorum(len(ids)) - len(chosen))]
    return sorted(chosen, key=lambda i: ids[i])


def leader(schedule: list[int], view: int) -> int:
    return schedule[view % len(schedule)]


def skipped(schedule: list[int], justify_view: int, view: int) -> set[int]:
    """The leaders of the views between the parent's and the block's."""
    last = min(view, justify_view + len(schedule) + 1)
    return {leader(schedule, each) for each in range(justify_view + 1, last)}


def apply(
    parameters: dict[str, int],
    standings: list[Standing],
    height: int,
    proposer: int | None,
    signers: int,
    missed: set[int],
) -> list[Standing]:
    """The standings after a block. signers: bit i is validator i."""
    after = []
    for i, standing in enumerate(standings):
        proposed, signed = i == proposer, bool(signers >> i & 1)
        if not standing.active:
            after.append(standing)
            continue
        gain = proposed * parameters["reputation_proposer_ppm"] + signed * parameters["reputation_signer_ppm"]
        ppm = min(standing.reputation_ppm + gain, REPUTATION_MAX)
        after.append(
            replace(
                standing,
                reputation_ppm=max(ppm - (i in missed) * parameters["reputation_missed_ppm"], 0),
                blocks_proposed=standing.blocks_proposed + proposed,
                blocks_committed=standing.blocks_committed + signed,
                views_missed=standing.views_missed + (i in missed),
                last_active_height=height if proposed or signed else standing.last_active_height,
            )
        )
    return after
