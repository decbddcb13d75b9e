"""The ends of the pipeline: offsets, dead letters, the database, and who may speak at all."""

from mutant import mutant

OFFSETS, INTAKE, PERSIST = "services/ingestd/offsets.c", "services/ingestd/intake.c", "services/persistd/persist.c"
ANNOUNCE, FOLLOW = "services/ingestd/announce.c", "services/ingestd/follow.c"
ZAP, PEERS = "common/edge/bus_zap.c", "services/consensusd/peers.c"
PEERBOOK, PEER_RECORD = "services/consensusd/peerbook.c", "common/base/peer_record.c"
PEER_METER = "common/base/peer_meter.c"
CONSUMER = "common/edge/kafka_consumer.c"
LOOP, FRAMES, LINKS = "common/edge/loop.c", "common/edge/bus_frames.c", "services/mempoold/links.c"

MUTANTS = [
    mutant("offset-moves-before-final", "an offset moves only past records that are final",
           ("ingestd_offsets", "ingestd_offsets_model"),
           (OFFSETS, "while (window->first != OFFSETS_NONE && self->records[window->first].state == OFFSETS_FINAL) {",
            "while (window->first != OFFSETS_NONE && self->records[window->first].state >= OFFSETS_PENDING &&\n"
            "           self->records[window->first].state != OFFSETS_DEAD_LETTERING) {")),
    mutant("offset-moves-past-a-gap", "a record that is not final holds back those behind it",
           ("ingestd_offsets", "ingestd_offsets_model"),
           (OFFSETS, """    if (state == OFFSETS_FINAL) {
        self->usage.bytes -= record->bytes;
        window_settle""", """    if (state == OFFSETS_FINAL) {
        self->usage.bytes -= record->bytes;
        self->windows[record->window].offset_settled = record->offset + 1;
        window_settle""")),
    mutant("dead-letter-not-acknowledged", "a dead letter's record is final only when the broker has acknowledged it",
           "ingestd_ingestd",
           (INTAKE, """    if (rc < 0) {
        metrics_add(self->metrics, INGESTD_METRIC_DEAD_RETRIES, 1);
        dead_put(self, record, loop_now_ms() + DEAD_RETRY_MS);
        return;
    }
    metrics_add_at""", "    metrics_add_at")),
    mutant("final-before-persisted", "a record is final when its transaction is in the database, not when it is admitted",
           "ingestd_ingestd",
           (INTAKE, "    return pending_add(self->pending, check->record, &check->tx_id, check->body_bytes);",
            """    int added = pending_add(self->pending, check->record, &check->tx_id, check->body_bytes);
    admission_submit(self);
    intake_finish(self, &check->tx_id);
    return added;""")),
    mutant("pause-beside-a-start", "librdkafka hears of a pause when a record shows that a partition was started", "edge_kafka",
           (CONSUMER, "    size_t count = assigned_list(self);\n    log_info(\"kafka.assigned\"",
            "    if (self->paused)\n"
            "        rd_kafka_pause_partitions(self->client.rk, (rd_kafka_topic_partition_list_t *)list);\n"
            "    size_t count = assigned_list(self);\n    log_info(\"kafka.assigned\""),
           (CONSUMER, "    if (list->cnt == 0)\n        return;\n    rd_kafka_error_t *error",
            "    rd_kafka_topic_partition_list_t *all = rd_kafka_topic_partition_list_new(8);\n"
            "    for (size_t i = 0; i < self->slot_count; i++)\n"
            "        rd_kafka_topic_partition_list_add(all, self->topics[self->slots[i].id.topic], self->slots[i].id.partition);\n"
            "    rd_kafka_resume_partitions(self->client.rk, all);\n"
            "    rd_kafka_topic_partition_list_destroy(all);\n"
            "    if (list->cnt == 0)\n        return;\n    rd_kafka_error_t *error")),
    mutant("pause-outlives-the-assignment", "a pause ends with the assignment", "edge_kafka",
           (CONSUMER, "    rd_kafka_resume_partitions(self->client.rk, list); /* a pause would hold for the next assignment, too */\n", "")),
    mutant("paused-record-lost", "a record that came in a pause is fetched again", "edge_kafka",
           (CONSUMER, "slot->next = message->offset;", "slot->next = message->offset + 1;")),
    mutant("paused-record-given", "no record is given out in a pause", "edge_kafka",
           (CONSUMER, "else if (self->paused)", "else if (false)")),
    mutant("fenced-consumer-stays-dead", "a consumer that librdkafka gave up is made anew", "edge_kafka",
           (CONSUMER, "    if (self->dead)\n        consumer_renew(self);\n", "")),
    mutant("consumer-renewed-beside-a-loan", "a consumer is made anew when all its records are back", "edge_kafka",
           (CONSUMER, "if (self->loans > 0 || loop_now_ms()", "if (loop_now_ms()")),
    mutant("loan-that-never-ends", "a released record is no loan any more", "edge_kafka",
           (CONSUMER, "    message->lender->loans--;\n", "")),
    mutant("consumer-renewed-at-once", "two processes with one instance do not fence each other without a pause", "edge_kafka",
           (CONSUMER, " || loop_now_ms() < self->started_ms + RENEW_INTERVAL_MS)", ")")),
    mutant("lost-partitions-not-told", "partitions of a consumer that was given up are revoked", "edge_kafka",
           (CONSUMER, "    self->dead = true;\n    revocation_tell(self);\n", "    self->dead = true;\n")),
    mutant("lost-partitions-kept", "a consumer that was given up has no partitions", "edge_kafka",
           (CONSUMER, "        self->slots[i].assigned = self->slots[i].stopped = false;\n}", "        ;\n}")),
    mutant("dead-consumer-connected", "a consumer that was given up is not connected", "edge_kafka",
           (CONSUMER, "return !self->dead && self->client.connected;", "return self->client.connected;")),
    mutant("lost-consumer-closed", "the end of a consumer that was given up does not wait for ever", "edge_kafka",
           (CONSUMER, "bool lost = rd_kafka_fatal_error(rk, NULL, 0) != RD_KAFKA_RESP_ERR_NO_ERROR;", "bool lost = false;")),
    mutant("notices-out-without-bound", "at most 4 notices are unacknowledged at librdkafka", "ingestd_announce",
           (ANNOUNCE, "self->burst_end = self->settled + ANNOUNCE_OUTSTANDING_MAX;",
            "self->burst_end = self->settled + ANNOUNCE_COUNT_MAX;"),
           (ANNOUNCE, " && self->waiting <= ANNOUNCE_OUTSTANDING_MAX);", ");")),
    mutant("notices-out-one-by-one", "the next notices are given together, when all that were given are acknowledged",
           "ingestd_announce",
           (ANNOUNCE, "        self->burst_end = self->settled + ANNOUNCE_OUTSTANDING_MAX;\n    }\n",
            "    }\n    self->burst_end = self->settled + ANNOUNCE_OUTSTANDING_MAX;\n")),
    mutant("notices-held-without-bound", "at most 32 notices wait for the broker", "ingestd_announce",
           (ANNOUNCE, " && self->next - self->settled < ANNOUNCE_COUNT_MAX &&", " &&")),
    mutant("notice-bytes-held-without-bound", "notices of 1 MiB wait for the broker, and the one that reaches it",
           "ingestd_announce",
           (ANNOUNCE, " &&\n           self->bytes < ANNOUNCE_BYTES_MAX;", ";")),
    mutant("notices-asked-for-one-by-one", "blocks to be announced are asked for when half of the room is free",
           "ingestd_announce",
           (ANNOUNCE, "self->next - self->settled <= ANNOUNCE_COUNT_MAX / 2",
            "self->next - self->settled < ANNOUNCE_COUNT_MAX")),
    mutant("large-notices-asked-for-one-by-one", "blocks to be announced are asked for when half of the bytes are free",
           "ingestd_announce", (ANNOUNCE, "self->bytes <= ANNOUNCE_BYTES_MAX / 2;", "self->bytes < ANNOUNCE_BYTES_MAX;")),
    mutant("notices-not-given-again", "after a failure notices are given again from the first that is not acknowledged",
           "ingestd_announce", (ANNOUNCE, "        self->given = self->settled;\n        self->burst_end", "        self->burst_end")),
    mutant("notices-again-before-all-words", "after a failure notices are given again when the broker's word about all is in",
           "ingestd_announce", (ANNOUNCE, "        self->burst_end = self->given; /*", "        self->waiting = 0; /*")),
    mutant("notice-given-behind-a-failure", "nothing is given behind a notice that the broker may not have", "ingestd_announce",
           (ANNOUNCE, "        self->burst_end = self->given; /*", "        /*")),
    mutant("notice-acknowledged-for-good", "what is given again is to be acknowledged again", "ingestd_announce",
           (ANNOUNCE, "    held->acknowledged = false;\n", "")),
    mutant("notice-settled-before-given-again", "what was acknowledged before a failure and not given again is not settled", "ingestd_announce",
           (ANNOUNCE, "    while (self->settled < self->given && at", "    while (self->settled < self->next && at")),
    mutant("notice-settled-alone", "a notice is settled when all before it are acknowledged", "ingestd_announce",
           (ANNOUNCE, "self->settled < self->given && at(self, self->settled)->acknowledged)", "self->settled <= height)")),
    mutant("notice-freed-too-early", "a notice stays until all before it are acknowledged", "ingestd_announce",
           (ANNOUNCE, "    at(self, height)->acknowledged = true;\n",
            """    at(self, height)->acknowledged = true;
    free(at(self, height)->notice);
    at(self, height)->notice = NULL;
""")),
    mutant("notice-never-freed", "a notice that is settled is freed", "ingestd_announce",
           (ANNOUNCE, "    free(held->notice);\n", "")),
    mutant("notice-asked-for-twice", "the block of a notice that waits for the broker is not asked for again",
           "ingestd_ingestd", (FOLLOW, "? self->announce.next : 0;", "? self->announce.given : 0;")),
    mutant("notice-without-a-wait", "after a failed delivery nothing is given for a second", "ingestd_ingestd",
           (FOLLOW, "    while (!announce_rests(self) && announce_give(", "    while (announce_give(")),
    mutant("acknowledged-before-written", "executord hears of a height as stored only after the database has it",
           "persistd_persist",
           (PERSIST, """    move(self, PERSIST_WRITING);
    add(effects, (struct persist_effect){.kind = PERSIST_WRITE});
}

/* Ask""", """    move(self, PERSIST_WRITING);
    add(effects, (struct persist_effect){.kind = PERSIST_ACK, .height = self->queue[count - 1].height});
    add(effects, (struct persist_effect){.kind = PERSIST_WRITE});
}

/* Ask""")),
    mutant("published-before-written", "a height is announced only after the database has it", "persistd_persist",
           (PERSIST, """    move(self, PERSIST_WRITING);
    add(effects, (struct persist_effect){.kind = PERSIST_WRITE});
}

/* Ask""", """    move(self, PERSIST_WRITING);
    add(effects, (struct persist_effect){.kind = PERSIST_PUBLISH, .height = self->queue[0].height,
                                         .handle = self->queue[0].handle});
    add(effects, (struct persist_effect){.kind = PERSIST_WRITE});
}

/* Ask""")),
    mutant("curve-key-not-allowed", "a socket hears only the keys of its own list", ("edge_bus_zap", "edge_bus"),
           (ZAP, "if (span_equal(domain, span_text(entry->domain)) && memcmp(entry->key, key, BUS_KEY_BYTES) == 0)",
            "(void)key;\n        if (span_equal(domain, span_text(entry->domain)))")),
    mutant("curve-key-of-another-socket", "a key that may speak on one socket may not speak on another",
           ("edge_bus_zap", "edge_bus"),
           (ZAP, "if (span_equal(domain, span_text(entry->domain)) && memcmp(entry->key, key, BUS_KEY_BYTES) == 0)",
            "(void)domain;\n        if (memcmp(entry->key, key, BUS_KEY_BYTES) == 0)")),
    mutant("no-curve-at-all", "a client without CURVE is refused", ("edge_bus_zap", "edge_bus"),
           (ZAP, """    if (!span_equal(frames[FRAME_MECHANISM], span_text("CURVE")))
        return BUS_ZAP_REFUSED;""", """    if (!span_equal(frames[FRAME_MECHANISM], span_text("CURVE")))
        return BUS_ZAP_ALLOWED;""")),
    mutant("signer-not-compared", "the sender that a message names is the peer of its socket", "consensusd_daemon",
           (PEERS, "if (rc == 0 && frame.sender != peer->index) {",
            "if (rc == 0 && frame.sender >= self->genesis->validator_count) {")),

    # Who is where: peer records.
    mutant("peer-record-not-verified", "a record of addresses is signed by the validator it names", "consensusd_peerbook",
           (PEERBOOK, "verdict = peer_record_verify(&record, validator, self->config.genesis);", "verdict = 0;")),
    mutant("peer-record-older-taken", "only a higher version replaces a record", "consensusd_peerbook",
           (PEERBOOK, "if (peer->held && record.version <= peer->record.version)",
            "if (peer->held && record.version == peer->record.version)")),
    mutant("peer-endpoint-not-checked", "a record names addresses that one host can have, never files or wildcards",
           "base_peer_record",
           (PEER_RECORD, """    if (!endpoints_are_good(&record.endpoints))
        return PEER_RECORD_BAD_ENDPOINT;""", "    (void)endpoints_are_good;")),
    mutant("peer-flood-not-limited", "who sends more than its share is not read", "consensusd_peer_limits",
           (PEER_METER, "return passes;", "return true;")),
    mutant("answers-not-charged", "what answering a question costs is charged to who asked", "base_peer_meter",
           (PEER_METER, "bucket_charge(&self->bytes[channel], bounded(size), now_ms);", "(void)now_ms;")),
    mutant("address-told-first-wins", "an address that is told first replaces none that is configured", "mempoold links",
           (LINKS, """    if (first && address->configured)
        return false;
""", "    (void)first;\n")),
    mutant("address-not-changed", "of two addresses the other is tried when nobody answers", "mempoold links",
           (LINKS, "        now_ms < address->tried_ms + LINKS_PATIENCE_MS)", "        now_ms >= address->tried_ms)")),
    mutant("used-socket-not-asked", "a socket is asked after every call on it, before the loop sleeps", "edge_loop",
           (LOOP, "ask->ready || ask->used;", "ask->ready;")),
    mutant("writable-signal-taken", "who waits to write is asked again after a receive, which may have taken its signal", "edge_loop",
           (LOOP, "source->ask->ready |= source->awaits_write;", "(void)generation;")),
    mutant("flood-slept-over", "a socket with more bad messages than one call looks at is asked again at once", "edge_loop",
           (FRAMES, "self->counters.bad_count++;", "self->counters.bad_count++;\n        *self->used = false;")),
    mutant("sleep-over-used-socket", "the loop sleeps only when each socket said no after the last call on it", "edge_loop",
           (LOOP, "any_is_to_be_asked(self) ? 0 : timers_wait_ms(self)", "timers_wait_ms(self)")),
    mutant("removed-source-served", "a descriptor that a handler removed is not served", "edge_loop",
           (LOOP, """        if (!source_is_still(source, (uint32_t)(events[i].data.u64 >> 32)))
            continue;
""", "")),
]
