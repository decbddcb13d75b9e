"""common/base: quorums, the form and the signatures of certificates, proofs that a stranger checks."""

from mutant import mutant

GENESIS, CERT = "common/base/genesis.c", "common/base/cert.c"
SCHEDULE = "common/base/schedule.c"
MERKLE, STATEPROOF, TX_CHECK = "common/base/merkle.c", "common/base/stateproof.c", "common/base/tx_check.c"

MUTANTS = [
    mutant("quorum-3-of-5", "a quorum is floor((N + f) / 2) + 1, not 2f + 1", "base_genesis",
           (GENESIS, "return (validator_count + genesis_faults_max(validator_count)) / 2 + 1;",
            "return 2 * genesis_faults_max(validator_count) + 1;")),
    mutant("certificate-below-quorum", "a certificate has the signatures of a quorum", "base_cert",
           (CERT, "signature_count >= genesis_quorum(genesis->validator_count);",
            "signature_count + 1 >= genesis_quorum(genesis->validator_count);")),
    mutant("qc-signers-not-distinct", "the signers of a quorum certificate are distinct and sorted", "base_cert",
           (CERT, "if (i > 0 && validator <= qc->signatures[i - 1].validator)",
            "if (i > 0 && validator < qc->signatures[i - 1].validator)")),
    mutant("tc-signers-not-distinct", "the signers of a timeout certificate are distinct and sorted", "base_cert",
           (CERT, "if (i > 0 && entry->validator <= tc->signatures[i - 1].validator)",
            "if (i > 0 && entry->validator < tc->signatures[i - 1].validator)")),
    mutant("qc-signers-unknown", "the signers of a quorum certificate are validators of the genesis file", "base_cert",
           (CERT, "if (validator >= genesis->validator_count)", "if (validator >= CERT_SIGNERS_MAX)")),
    mutant("qc-verified-without-its-form", "who verifies a certificate's signatures looks at its form first", "base_cert",
           (CERT, "    int verdict = qc_check_form(qc, genesis);\n    if (verdict != 0)\n        return verdict;\n    uint8_t vote",
            "    (void)qc_check_form(qc, genesis);\n    uint8_t vote")),
    mutant("tc-verified-without-its-form", "who verifies a TC's signatures looks at its form first", "base_cert",
           (CERT, "    int verdict = tc_check_form(tc, genesis);\n    if (verdict != 0)\n        return verdict;\n", "")),
    mutant("tc-without-quorum", "a timeout certificate has a quorum of its own", "base_cert",
           (CERT, """if (!cert_count_is_quorum(tc->signature_count, genesis))
        return CERT_BAD;""", "")),
    mutant("tc-high-qc-not-the-greatest", "the attached certificate's view is the greatest high_qc_view of a TC",
           "base_cert",
           (CERT, "if (tc->high_qc.view != high_qc_view_max || high_qc_view_max >= tc->view)",
            "if (high_qc_view_max >= tc->view)")),
    mutant("tc-high-qc-of-its-own-view", "the certificate attached to a TC is of a lower view", "base_cert",
           (CERT, "if (tc->high_qc.view != high_qc_view_max || high_qc_view_max >= tc->view)",
            "if (tc->high_qc.view != high_qc_view_max)")),
    mutant("qc-signature-not-verified", "every signature of a quorum certificate is verified", "base_cert",
           (CERT, """        if (sign_verify(&entry->signature, key, span_of(vote, sizeof vote)) != 0)
            return CERT_BAD;""", "        (void)key;")),
    mutant("tc-signature-not-verified", "every signature of a timeout certificate is verified", "base_cert",
           (CERT, """        if (sign_verify(&entry->signature, key, span_of(timeout, sizeof timeout)) != 0)
            return CERT_BAD;""", "        (void)key;")),
    mutant("genesis-qc-with-height", "nobody signs for the genesis block: an unsigned certificate is of view and height 0",
           "base_cert",
           (CERT, "return qc->view == 0 && qc->height == 0 && qc->signature_count == 0;",
            "return qc->view == 0 && qc->signature_count == 0;")),

    # Commit proofs: what `cybermeshctl verify` and every other reader relies on.
    mutant("proof-one-header", "a commit proof has the block and its certified child, at least", "base_cert",
           (CERT, "if (proof->header_count < 2 || ", "if (proof->header_count < 1 || ")),
    mutant("proof-views-not-consecutive", "the last two headers of a commit proof have consecutive views", "base_cert",
           (CERT, "(parent.view == UINT64_MAX || last->view != parent.view + 1)",
            "(parent.view == UINT64_MAX || last->view <= parent.view)")),
    mutant("proof-parent-not-linked", "each header of a commit proof names the id of the header before it", "base_cert",
           (CERT, "if (!hash_equal(&child->parent_id, parent_id))", "if (child->view == 0)")),
    mutant("proof-parent-not-justified", "each header's justify_view is the view of the header before it", "base_cert",
           (CERT, "if (child->justify_view != parent->view)", "if (child->justify_view > child->view)")),
    mutant("proof-heights-jump", "the heights of a commit proof rise by one", "base_cert",
           (CERT, "if (parent->height == UINT64_MAX || child->height != parent->height + 1)",
            "if (child->height == parent->height)")),
    mutant("proof-qc-of-another-block", "the certificate of a commit proof is for its last header", "base_cert",
           (CERT, "proof->qc.height != last.height || !hash_equal(&proof->qc.block_id, &last_id)) {",
            "proof->qc.height != last.height) {")),
    mutant("proof-below-quorum", "a commit proof's certificate has a quorum of good signatures", "base_cert",
           (CERT, """    if (qc_check_form(&proof->qc, genesis) != 0) {
        *why = "the certificate's signers are not a quorum of distinct, sorted, known validators";
        return CERT_BAD;
    }
    if (qc_verify(&proof->qc, genesis) != 0) {
        *why = "a signature of the certificate is wrong";
        return CERT_BAD;
    }
""", "")),
    mutant("proof-of-another-chain", "the headers of a commit proof are of the genesis file's chain", "base_cert",
           (CERT, "if (!hash_equal(&last->chain_id, &genesis->chain_id))", "if (hash_is_zero(&last->chain_id))")),

    # The leaders.
    mutant("epoch-lag-ignored", "standings count schedule_lag_blocks after their epoch's first block", "base_schedule",
           (SCHEDULE, "    uint64_t newest = height - parameters->schedule_lag_blocks;\n", "    uint64_t newest = height;\n")),
    mutant("inactive-leader", "a validator whose equivocation was proved leads no view", "base_schedule",
           (SCHEDULE, "if (!standings[i].active || standings[i].reputation_ppm <", "if (standings[i].reputation_ppm <")),
    mutant("leader-without-reputation", "who has lost its reputation leads no view", "base_schedule",
           (SCHEDULE, "if (!standings[i].active || standings[i].reputation_ppm < genesis->parameters.reputation_leader_min_ppm)",
            "if (!standings[i].active)")),
    mutant("fewer-leaders-than-a-quorum", "at least a quorum of validators lead", "base_schedule",
           (SCHEDULE, "for (; count < genesis_quorum(genesis->validator_count); count++)", "for (; count < 1; count++)")),
    mutant("skipped-leader-unpunished", "the leader of a view that was skipped loses reputation", "base_schedule",
           (SCHEDULE, "            lose(standing, parameters->reputation_missed_ppm);\n", "")),

    # Merkle paths, state proofs, transactions.
    mutant("merkle-path-too-long", "a path has exactly as many hashes as the tree's shape asks for", "base_merkle",
           (MERKLE, "return used == path_count && hash_equal(&node, root) ? 0 : ERR_MALFORMED;",
            "return hash_equal(&node, root) ? 0 : ERR_MALFORMED;")),
    mutant("state-value-not-compared", "a state proof shows the value that is claimed", "base_stateproof",
           (STATEPROOF, """hash_equal(&proof->leaf.key_hash, key_hash) &&
           hash_equal(&proof->leaf.value_hash, &value_hash);""",
            "hash_equal(&proof->leaf.key_hash, key_hash);")),
    mutant("state-absence-by-any-leaf", "absence is shown by a leaf that stands where the key would", "base_stateproof",
           (STATEPROOF, """return !hash_equal(&proof->leaf.key_hash, key_hash) &&
           stateproof_same_bits(&proof->leaf.key_hash, key_hash, proof->sibling_count);""",
            "return !hash_equal(&proof->leaf.key_hash, key_hash);")),
    mutant("tx-signature-not-verified", "a transaction has its producer's signature", ("base_tx_check", "edge_txcheck"),
           (TX_CHECK, "return sign_verify(&tx->signature, &tx->producer, span_of(scratch, size)) == 0 ? 0 : REASON_BAD_SIGNATURE;",
            "return 0;")),
    mutant("content-hash-not-compared", "content_hash is the hash of the content", ("base_tx_check", "edge_txcheck"),
           (TX_CHECK, "return hash_equal(&computed, &tx->content_hash) ? 0 : REASON_BAD_CONTENT_HASH;", "return 0;")),
    mutant("custody-not-verified", "every custody entry is signed", ("base_tx_check", "edge_txcheck"),
           (TX_CHECK, "return REASON_BAD_CUSTODY;", "continue;")),
]
