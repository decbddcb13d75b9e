"""executord and the way of bodies: what is executed is what was agreed on, once, and only when it is valid."""

from mutant import mutant

EXECUTOR, EXECUTION = "services/executord/executor.c", "services/executord/execution.c"
SYNC_CHECK, MEMPOOL = "services/consensusd/sync_check.c", "services/mempoold/mempool.c"
UNIT = ("executord_execution", "executord_executor")

MUTANTS = [
    mutant("state-root-not-compared", "a block is valid only with the state root that its execution gives", UNIT,
           (EXECUTOR, """    if (!hash_equal(&result.receipt_root, &header->receipt_root) || !hash_equal(&state_root, &header->state_root)) {""",
            """    (void)state_root;
    if (!hash_equal(&result.receipt_root, &header->receipt_root)) {""")),
    mutant("receipt-root-not-compared", "a block is valid only with the receipts that its execution gives", UNIT,
           (EXECUTOR, """    if (!hash_equal(&result.receipt_root, &header->receipt_root) || !hash_equal(&state_root, &header->state_root)) {""",
            "    if (!hash_equal(&state_root, &header->state_root)) {")),
    mutant("tx-root-not-compared", "a block's bodies are those of its tx_root", UNIT,
           (EXECUTOR, "return hash_equal(&tx_root, &block->header->tx_root) ? 0 : EXECUTOR_BAD_ROOT;",
            "return !hash_is_zero(&tx_root) || block->bodies.count == 0 ? 0 : EXECUTOR_BAD_ROOT;")),
    mutant("invalid-tx-in-a-block-skipped", "one invalid transaction makes the whole block invalid", UNIT,
           (EXECUTOR, """            *bad = (struct executor_refused){.index = (uint32_t)i, .reason = reason};
            return EXECUTOR_BAD_TX;""",
            """            *bad = (struct executor_refused){.index = (uint32_t)i, .reason = reason};
            continue;""")),
    mutant("block-time-not-after-parent", "a block's time is after its parent's", UNIT,
           (EXECUTOR, """    if (header->height != (*parent)->header.height + 1 || header->timestamp_ms <= (*parent)->header.timestamp_ms ||
        header->tx_count""",
            """    if (header->height != (*parent)->header.height + 1 ||
        header->tx_count""")),
    mutant("commit-on-another-parent", "only a child of the last committed block is committed", UNIT,
           (EXECUTOR, "if (!hash_equal(&header->parent_id, &executor_committed(self)->id))",
            "if (hash_is_zero(&header->parent_id))")),
    mutant("nonce-reused", "a (producer, nonce) pair is executed at most once", UNIT,
           (EXECUTION, """    if (nonce_used)
        return refuse(reason, REASON_NONCE_REUSED);""", "")),
    mutant("tx-executed-twice", "an exact re-delivery is not executed again", UNIT,
           (EXECUTION, "hash_equal(&nonce.tx_id, &judged->tx_id))", "hash_is_zero(&nonce.tx_id))")),
    mutant("id-conflict", "an event id is executed at most once", UNIT,
           (EXECUTION, "if (overlay_find(self->overlay, &out->key.hash))", "if (hash_is_zero(&out->key.hash))")),
    mutant("producer-without-role", "a producer has the role of the kind", UNIT,
           (EXECUTION, "if ((producer.roles & tx_role(tx->kind)) == 0)", "if (producer.roles == 0)")),
    mutant("producer-unknown", "a producer has an active record", UNIT,
           (EXECUTION, "if (!leaf || record_producer_decode(&producer, state_leaf_value(leaf)) < 0 || !producer.active)",
            "if (!leaf)\n        return 0;\n    if (record_producer_decode(&producer, state_leaf_value(leaf)) < 0)")),
    mutant("tx-too-old", "a transaction is younger than tx_max_age at its block's time", UNIT,
           (EXECUTION, "if (tx->ts < now_s - (int64_t)self->genesis->parameters.tx_max_age_s ||\n        tx->ts >", "if (tx->ts >")),
    mutant("nonce-expires-too-early", "a nonce record lives as long as its transaction could be executed again", UNIT,
           (EXECUTION, "if (!leaf || expires_at_s + (int64_t)self->genesis->parameters.tx_future_skew_s >= now_s)",
            "if (!leaf || expires_at_s - (int64_t)self->genesis->parameters.tx_max_age_s >= now_s)")),

    # Who leads.
    mutant("skipped-by-the-next-schedule", "skipped views count by the schedule of the parent's chain", UNIT,
           ("services/executord/committee.c", "record_key_schedule(schedule_epoch(&genesis->parameters, block->height - 1));",
            "record_key_schedule(schedule_epoch(&genesis->parameters, block->height));")),
    mutant("schedule-from-live-standings", "leaders follow from the standings frozen at the epoch", UNIT + ("executord_punishment", "executord_executord"),
           ("services/executord/committee.c", """    struct record_key key = record_key_schedule(schedule_epoch(&genesis->parameters, height));
    decode_schedule(out, state_find(root, &key.hash));""", """    struct schedule_standing live[GENESIS_VALIDATORS_MAX];
    (void)height;
    for (uint32_t i = 0; i < genesis->validator_count; i++) {
        struct record_key key = record_key_validator(&genesis->validators[i].id);
        live[i] = decode_standing(state_find(root, &key.hash));
    }
    schedule_of(out, genesis, live);""")),
    mutant("synced-bodies-not-compared", "fetched bodies are those of the header's tx_root", "consensusd_sync_check",
           (SYNC_CHECK, "return block->body_count == block->header.tx_count && hash_equal(&root, &block->header.tx_root);",
            "return block->body_count == block->header.tx_count;")),
    mutant("sync-without-proof", "a fetched block has its own certificate, verified, before its bodies are kept",
           "consensusd_sync_check",
           (SYNC_CHECK, """block->qc.signature_count > 0 &&
           consensus_certificate_valid(core, &block->qc);""", "block->qc.signature_count > 0;")),
    mutant("sync-with-another-certificate", "a fetched block's certificate is its own", "consensusd_sync_check",
           (SYNC_CHECK, "return hash_equal(&block->qc.block_id, &id) && block->qc.view", "return block->qc.view")),
    mutant("fetched-body-not-asked-for", "a body that another validator sends is taken only under its own hash, and only "
           "when a block misses that hash", ("mempoold blocks", "mempoold mempool", "mempoold model"),
           (MEMPOOL, "if (blocks_verify_begin(self->blocks, &id))", "if (blocks_verify_begin(self->blocks, &id) || true)")),
    mutant("fetched-body-not-verified", "a body that another validator sends is held only after its checks",
           ("mempoold blocks", "mempoold mempool", "mempoold model"),
           (MEMPOOL, "int rc = check->result == 0 ? hold(self, check, now_ms) : check->result;",
            "int rc = hold(self, check, now_ms);")),
]
