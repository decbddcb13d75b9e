"""Equivocation: what is proof, what it does to its offender, and that none is lost on its way into a block."""

from mutant import mutant

EQUIVOCATION, EVIDENCE = "common/base/equivocation.c", "services/consensusd/evidence.c"
EXECUTION, COMMITTEE = "services/executord/execution.c", "services/executord/committee.c"
STORE, BODIES, POOL = "services/consensusd/safety_store.c", "services/mempoold/bodies.c", "services/mempoold/mempool.c"
REDUCER = "executord_punishment"

MUTANTS = [
    # What is proof.
    mutant("evidence-same-block-twice", "two statements about one block are no equivocation", "base_equivocation",
           (EQUIVOCATION, "if (bytes_reader_end(&reader) < 0 || order(&equivocation) >= 0)",
            "if (bytes_reader_end(&reader) < 0 || order(&equivocation) > 0)")),
    mutant("evidence-one-signature", "both statements are signed by the offender", "base_equivocation",
           (EQUIVOCATION, "    for (uint32_t i = 0; i < 2; i++) {\n        if (!signature_good(",
            "    for (uint32_t i = 0; i < 1; i++) {\n        if (!signature_good(")),
    mutant("evidence-of-another-chain", "proposals in a proof are of this chain", "base_equivocation",
           (EQUIVOCATION, "hash_equal(&header->chain_id, &genesis->chain_id) &&", "")),
    mutant("evidence-of-another-view", "proposals in a proof are of its view", "base_equivocation",
           (EQUIVOCATION, "(header->view == equivocation->view && ", "(")),
    mutant("evidence-of-another-proposer", "proposals in a proof name the offender as proposer", "base_equivocation",
           (EQUIVOCATION, "hash_equal(&header->proposer, &equivocation->offender));", "true);")),
    # What it does.
    mutant("evidence-not-verified-by-the-reducer", "executing a proof verifies it, whoever did before", REDUCER,
           (EXECUTION, "    verdict = equivocation_verify(&out->proof, self->genesis);\n",
            "    verdict = genesis_validator_index(self->genesis, &out->proof.offender) < 0 ? REASON_PRODUCER_UNKNOWN : 0;\n")),
    mutant("evidence-twice", "one proof against a validator is executed, and no second one", REDUCER,
           (EXECUTION, "return recorded ? refuse(reason, REASON_ID_CONFLICT) : 0;", "return 0;")),
    mutant("evidence-repeated-is-a-conflict", "a proof that is in the chain already is no rejection", REDUCER,
           (EXECUTION, "    if (is_recorded(self, out, &recorded))\n", "    if (is_recorded(self, out, &recorded) && 0)\n")),
    mutant("offender-stays-active", "an offender is inactive", REDUCER,
           (COMMITTEE, "    standing.active = false;\n", "")),
    mutant("offender-keeps-its-reputation", "an offender's reputation is 0", REDUCER,
           (COMMITTEE, "    standing.reputation_ppm = 0;\n", "")),
    mutant("offender-not-named", "executord names the validators that are inactive", REDUCER,
           (COMMITTEE, "if (!decode_standing(state_find(root, &key.hash)).active)",
            "if (0 && !decode_standing(state_find(root, &key.hash)).active)")),
    # On its way.
    mutant("evidence-of-one-vote-per-block", "two votes for one block are no equivocation", "consensusd_evidence",
           (EVIDENCE, "    if (hash_equal(&vote->block_id, &before->block_id))\n        return;\n", "")),
    mutant("evidence-of-two-proposals-unseen", "the votes in two proposals are proof", "consensusd_evidence",
           ("services/consensusd/vote.c", "    return certificate_vote_valid(self, sender, vote) &&",
            "    self->accused |= UINT64_C(1) << sender;\n    return certificate_vote_valid(self, sender, vote) &&")),
    mutant("first-proposal-of-a-later-view-unseen", "the vote in a proposal that brings its view is kept for the next one",
           "consensusd_evidence",
           ("services/consensusd/vote.c", "    certificate_keep_vote(self, event->sender, &vote);", "   ")),
    mutant("evidence-known-is-forgotten", "what is known of one offender stays when another is known", "consensusd_evidence",
           ("services/consensusd/evidence.c", "    self->accused |= validators;", "    self->accused = validators;")),
    mutant("evidence-told-is-not-verified", "a proof that another validator tells is verified", "consensusd_evidence",
           (EVIDENCE, "if (offender < 0 || equivocation_verify(equivocation, self->genesis) != 0) {",
            "if (offender < 0) {")),
    mutant("evidence-known-is-told-again", "whom a kept or committed proof accuses is not accused again", "consensusd_evidence",
           (EVIDENCE, "    self->accused |= validators;\n", "")),
    mutant("evidence-not-on-disk", "a proof is on disk before it is told", "consensusd_safety_store",
           (STORE, "0, put_span, &body);\n    return rc == 0 ? safety_store_flush(self) : rc;",
            "0, put_span, &body);\n    return rc;")),
    mutant("evidence-unbounded", "at most one proof for each validator waits in a pool", "mempoold proofs",
           (BODIES, "return self->usage.proof_count < self->limits.proof_count_max;", "return true;")),
    mutant("evidence-malformed-in-the-pool", "what is no proof does not wait as one", "mempoold proofs",
           (POOL, "    if (equivocation_decode(&proof, bytes) != 0) {\n",
            "    if (equivocation_decode(&proof, bytes) != 0 && 0) {\n")),
    mutant("evidence-late-vote-unseen", "a second vote is proof also when its view has its certificate", "consensusd_evidence",
           ("services/consensusd/vote.c", "        certificate_late_vote(self, event->sender, vote);\n", "")),
    mutant("evidence-late-vote-unverified", "a late vote is proof only with a good signature", "consensusd_evidence",
           ("services/consensusd/certificate.c", "(void)take_vote(self, validator, vote, /* verified= */ false);",
            "(void)take_vote(self, validator, vote, /* verified= */ true);")),
    mutant("fetched-proof-not-judged", "a proof that another validator's pool sends is judged before it waits", "mempoold verify",
           ("services/mempoold/verify.c", "return equivocation_check(&proof, body, genesis);",
            "return equivocation_decode(&proof, body);")),
]
