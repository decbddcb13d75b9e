"""Whole validators: what holds only when all stages keep their part, and what a shell alone could break."""

from mutant import mutant

PERSIST, INTAKE, ANNOUNCE = "services/persistd/persist.c", "services/ingestd/intake.c", "services/ingestd/announce.c"
CONSENSUSD, HANDOVER, POOL = ("services/consensusd/consensusd.c", "services/consensusd/handover.c",
                              "services/consensusd/pool_client.c")
SERVE_EXECUTION, EXECUTOR, PACEMAKER = ("services/executord/serve_execution.c", "services/executord/executor.c",
                                  "services/consensusd/pacemaker.c")
VERIFY, MEMPOOL, GOSSIP_CODEC, SYNC_CHECK, EVIDENCE, CERTIFICATE = (
    "services/mempoold/verify.c", "services/mempoold/mempool.c", "services/mempoold/gossip_codec.c", "services/consensusd/sync_check.c",
    "services/consensusd/evidence.c", "services/consensusd/certificate.c")
EXECUTION_CODEC, EXECUTORD_STORE = "services/executord/execution_codec.c", "services/executord/executord_store.c"
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
    mutant("whole-notices-out-without-bound", "at most 4 commit notices are unacknowledged", WHOLE,
           (ANNOUNCE, "self->burst_end = self->settled + ANNOUNCE_OUTSTANDING_MAX;",
            "self->burst_end = self->settled + ANNOUNCE_COUNT_MAX;"),
           (ANNOUNCE, " && self->waiting <= ANNOUNCE_OUTSTANDING_MAX);", ");")),
    mutant("whole-persist-failure-ignored", "what depends on a write that failed does not leave consensusd", WHOLE,
           (CONSENSUSD, "        return persist(self, effect);\n", "        (void)persist(self, effect);\n        break;\n")),
    mutant("whole-handover-skips", "a restarted executord is told every block above its own height", WHOLE,
           (HANDOVER, "    self->resume_sent = height;\n", "    self->resume_sent = height + 1;\n")),
    mutant("whole-commit-not-stored", "executord goes on from a block only when it is on disk",
           ("executord_executord", WHOLE),
           (SERVE_EXECUTION, "    return rc < 0 ? rc : verdict;\n", "    (void)rc;\n    return verdict;\n")),
    mutant("commit-goes-on-after-a-refusal", "a refused block ends its Commit", "executord_executord",
           (SERVE_EXECUTION, "i < request->before_count && verdict == 0; i++", "i < request->before_count && verdict >= 0; i++")),
    mutant("commit-answers-for-its-own-block", "a Commit that is refused names the block", "executord_executord",
           (SERVE_EXECUTION, ".height = last.header.height,", ".height = request->header.height,")),
    mutant("commit-without-what-is-before", "the blocks before a Commit's own are made durable with it", "executord_executord",
           (SERVE_EXECUTION, "    for (size_t i = 0; i < request->before_count && verdict == 0; i++) {",
            "    for (size_t i = request->before_count; i < request->before_count && verdict == 0; i++) {")),
    mutant("before-with-transactions", "the blocks before a Commit's own have no transactions", "executord_execution_codec",
           (EXECUTION_CODEC, " || header.tx_count > 0 ||", " ||")),
    mutant("before-with-a-gap", "the blocks before a Commit's own follow one another", "executord_execution_codec",
           (EXECUTION_CODEC, """ ||
            header.height + (request->before_count - i) != request->header.height)""", ")")),
    mutant("before-without-bound", "a Commit has at most 32 blocks before its own", "executord_execution_codec",
           (EXECUTION_CODEC, "out->before_count == EXECUTION_CODEC_BEFORE_MAX)", "out->before_count == EXECUTION_CODEC_BEFORE_MAX + 1)")),
    mutant("appended-written-twice", "what was appended is written once", "executord_executord_store",
           (EXECUTORD_STORE, "    self->appended_count = 0;\n    self->records.size = 0;\n", "")),
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
    # What only a validator that lies can show.
    mutant("whole-body-of-a-peer-unverified", "a body that another mempoold sends has its signature checked", WHOLE,
           (VERIFY, "    return txcheck_run(context, body, &tx, &why);",
            """    (void)context;
    return tx_parse(&tx, body, &why);""")),
    mutant("whole-state-root-of-a-peer", "a proposal's state root is the one that execution gives here", WHOLE,
           (EXECUTOR, " || !hash_equal(&state_root, &header->state_root)) {", ") {")),
    mutant("whole-receipt-root-of-a-peer", "a proposal's receipt root is the one that execution gives here", WHOLE,
           (EXECUTOR, "if (!hash_equal(&result.receipt_root, &header->receipt_root) || ", "if (")),
    mutant("whole-bodies-not-asked-for", "only bodies that a block misses are taken from another mempoold", WHOLE,
           (MEMPOOL, "        if (blocks_verify_begin(self->blocks, &id))\n",
            "        (void)blocks_verify_begin(self->blocks, &id);\n        if (id.bytes[0] < 256)\n"),
           (MEMPOOL, "    if (held_block == 0)\n        return 0;\n", "")),
    mutant("whole-fetch-too-long", "a question for more bodies than are answered is refused", WHOLE,
           (GOSSIP_CODEC, """    if (fetch->n_tx_ids > MEMPOOL_FETCH_COUNT_MAX)
        return ERR_TOO_LARGE;
""", "")),
    mutant("whole-answer-too-long", "an answer with more bodies than are looked at is refused", WHOLE,
           (GOSSIP_CODEC, """    if (bodies->n_bodies > MEMPOOL_FETCHED_COUNT_MAX)
        return ERR_TOO_LARGE;
""", "")),
    mutant("whole-bodies-of-a-synced-block", "bodies that come with a certified block are those of its header", WHOLE,
           (SYNC_CHECK, "    return block->body_count == block->header.tx_count && hash_equal(&root, &block->header.tx_root);",
            "    return block->body_count == block->header.tx_count;")),
    mutant("whole-proof-believed", "proof against a validator is judged before it is told on", WHOLE,
           (EVIDENCE, "    if (offender < 0 || equivocation_verify(equivocation, self->genesis) != 0) {",
            "    if (offender < 0) {")),
    mutant("whole-certificate-believed", "a certificate's signatures are verified", WHOLE,
           (CERTIFICATE, "    if (!verified && !vote_verify(self, validator, vote))\n        return false;\n", "    (void)vote_verify;\n    (void)verified;\n")),
]
