"""What apid answers: true, once, in time, within its bounds."""

from mutant import mutant

CLIENT, ANSWERS, RESPOND = ("services/apid/query_client.c", "services/apid/answers.c", "services/apid/respond.c")
SERVE_QUERIES, RECORD = "services/executord/serve_queries.c", "services/executord/record.c"
WHOLE = "whole validators, the fixed slice"

MUTANTS = [
    mutant("answer-to-another-question", "an answer goes to the question that it was given to", WHOLE,
           (CLIENT, "        if (slot->state != SLOT_SENT || slot->request != query_codec_request(*frame))",
            "        if (slot->state != SLOT_SENT)")),
    mutant("answer-twice", "a ticket ends with its answer", WHOLE,
           (CLIENT, """    *slot = (struct slot){.state = SLOT_FREE};
    return rc;""", """    if (rc < 0)
        *slot = (struct slot){.state = SLOT_FREE};
    return rc;""")),
    mutant("question-asked-once", "a question without an answer is asked again", WHOLE,
           (CLIENT, "slot->state == SLOT_SENT && now_ms >= slot->sent_ms + QUERY_CLIENT_AGAIN_MS", "false")),
    mutant("question-never-given-up", "who asks gets an answer, or hears in time that there is none", WHOLE,
           (CLIENT, "slot->state != SLOT_DONE && loop_now_ms() < slot->asked_ms + QUERY_CLIENT_WAIT_MS",
            "slot->state != SLOT_DONE")),
    mutant("question-given-up-soon", "an answer is waited for QUERY_CLIENT_WAIT_MS", WHOLE,
           (CLIENT, "loop_now_ms() < slot->asked_ms + QUERY_CLIENT_WAIT_MS",
            "loop_now_ms() < slot->asked_ms + QUERY_CLIENT_WAIT_MS / 2")),
    mutant("question-above-the-bound", "at most QUERY_CLIENT_WAITING_MAX questions wait", WHOLE,
           (CLIENT, """        return slot;
    }
    return NULL;
}

int query_client_ask""", """        return slot;
    }
    return &self->slots[0];
}

int query_client_ask""")),
    mutant("question-keeps-its-place", "a question that was given up leaves its place to others", WHOLE,
           (CLIENT, """    *slot = (struct slot){.state = SLOT_FREE};
    return rc;""", """    if (rc == 0)
        *slot = (struct slot){.state = SLOT_FREE};
    else
        *slot = (struct slot){.state = SLOT_DONE};
    return rc;""")),
    mutant("state-of-another-height", "a state is the one of the height that is named", WHOLE,
           (SERVE_QUERIES, "executor_query(self->executor, request->key, state.height, &value)",
            "executor_query(self->executor, request->key, state.height > state.height_min && state.height < height_max "
            "? height_max : state.height, &value)")),
    mutant("proof-without-its-leaf", "a state proof names the leaf that stands at the key's place", WHOLE,
           (ANSWERS, """        state->has_leaf
            ?""", """        state->has_leaf && state->found
            ?""")),
    mutant("anomaly-not-in-the-state", "what a committed anomaly says is in the state under its id", WHOLE,
           (RECORD, '[TX_ANOMALY] = "anomaly/"', '[TX_ANOMALY] = "anomalies/"')),
    mutant("block-with-another-hash", "a block is answered under its own hash", WHOLE,
           (ANSWERS, "answers_hex(block->hash)", "answers_hex(block->parent_hash)")),
    mutant("transaction-at-another-height", "a transaction is answered at the height where it is", WHOLE,
           (ANSWERS, "number(transaction->height)", "number(transaction->height + 1)")),
    mutant("receipt-path-of-transactions", "a receipt's path leads to the block's receipt root", WHOLE,
           (ANSWERS, "path_of(proof->receipt_hashes,", "path_of(proof->tx_ids,")),
    mutant("commit-proof-of-the-tip", "the commit proof of a state is the one of its height", WHOLE,
           (SERVE_QUERIES, "executord_store_head(self->store, state.height, &head)",
            "executord_store_head(self->store, height_max, &head)")),
    mutant("failure-as-absence", "a database that does not answer is no proof that something is missing", WHOLE,
           (RESPOND, "    if (rc == ERR_NOT_FOUND)\n", "    if (rc == ERR_NOT_FOUND || rc == ERR_PEER_GONE)\n")),
    mutant("refused-while-all-works", "once everything works every question has its answer", WHOLE,
           (RESPOND, "    if (rc == 0)\n        return 200;\n",
            "    if (rc == 0 && request->route != ROUTE_STATE_ROOT)\n        return 200;\n    rc = rc ? rc : ERR_RETRY;\n")),
]
