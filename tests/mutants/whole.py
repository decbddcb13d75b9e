"""Whole validators: what holds only when all stages keep their part, and what a shell alone could break."""

from mutant import mutant

PERSIST, INTAKE, ANNOUNCE = "services/persistd/persist.c", "services/ingestd/intake.c", "services/ingestd/announce.c"
CONSENSUSD, HANDOVER, POOL = ("services/consensusd/consensusd.c", "services/consensusd/handover.c",
                              "services/consensusd/pool_client.c")
SERVE_EXECUTION, EXECUTOR, PACEMAKER = ("services/executord/serve_execution.c", "services/executord/executor.c",
                                  "services/consensusd/pacemaker.c")
WHOLE = "whole validators, the fixed slice"

MUTANTS = [
    mutant("whole-offset-at-admission", "an offset is committed when its record is in the database, not when it is admitted",
           WHOLE,
           (INTAKE, "    return pending_add(self->pending, check->record, &check->tx_id, check->body_bytes);",
            """    int added = pending_add(self->pending, check->record, &check->tx_id, check->body_bytes);
    admission_submit(self);
    intake_finish(self, &check->tx_id);
    return added;""")),
    mutant("whole-height-skipped", "persistd asks for the height behind the database's newest", WHOLE,
           (PERSIST, "    return tip->exists ? tip->height + 1 : 0;",
            "    return tip->exists ? tip->height + 1 + (tip->height == 3) : 0;")),
    mutant("whole-notice-skipped", "after a restart notices go on at the first that is not acknowledged", WHOLE,
           (ANNOUNCE, ".next = next < 1 ? 1 : (uint64_t)next}", ".next = next < 1 ? 1 : (uint64_t)next + 1}")),
    mutant("whole-persist-failure-ignored", "what depends on a write that failed does not leave consensusd", WHOLE,
           (CONSENSUSD, "        return persist(self, effect);\n", "        (void)persist(self, effect);\n        break;\n")),
    mutant("whole-handover-skips", "a restarted executord is told every block above its own height", WHOLE,
           (HANDOVER, "    self->resume_sent = height;\n", "    self->resume_sent = height + 1;\n")),
    mutant("whole-commit-not-stored", "executord goes on from a block only when it is on disk",
           ("executord_executord", WHOLE),
           (SERVE_EXECUTION, """    int rc = executord_store_append(self->store, version, request->proof);
    if (rc < 0)
        return rc;
""", "    (void)!executord_store_append(self->store, version, request->proof);\n")),
    mutant("refusal-not-settled", "what only uncommitted blocks refuse stays in the pool", (WHOLE, "consensusd_daemon"),
           (POOL, " || !refused[i]->settled)", ")")),
    mutant("refusal-always-settled", "the committed state says whether a refusal is the last word", "executord_executor",
           (EXECUTOR, "self->refused[i].settled = verdict == EXECUTION_REFUSED;", "self->refused[i].settled = true;")),
    mutant("recheck-of-an-older-block", "an answer about waiting transactions counts for the block that it was asked on",
           "consensusd_pacemaker",
           (PACEMAKER, """    if (!hash_equal(parent_id, &self->voting.high_qc.block_id))
        return;
    self->pool_live""", """    (void)parent_id;
    self->pool_live""")),
]
