"""services/consensusd, the core: who may propose, what is voted for, what a certificate is, what is final."""

from mutant import mutant

HOME = "services/consensusd/"
VOTE, CERTIFICATE, TALLY = HOME + "vote.c", HOME + "certificate.c", HOME + "tally.c"
COMMIT, PACEMAKER, PROPOSE = HOME + "commit.c", HOME + "pacemaker.c", HOME + "propose.c"
CATCHUP, CONSENSUS, EXECUTION_CLIENT = HOME + "catchup.c", HOME + "consensus.c", HOME + "execution_client.c"
CONSENSUS_CODEC = HOME + "consensus_codec.c"
CORE = tuple("consensusd_" + name for name in ("vote", "certificate", "tally", "commit", "pacemaker", "propose", "catchup",
                                               "blocktree", "consensus", "forged", "restored", "silence", "evidence",
                                               "verified_once")) + ("consensus cluster", "pacemaker", "seeds with liars")

MUTANTS = [
    # The vote.
    mutant("last-voted-view-not-checked", "a vote's view is above every view voted in before", CORE,
           (VOTE, "block->header.view == self->view &&\n           block->header.view > self->voting.last_voted_view;",
            "block->header.view == self->view;")),
    mutant("vote-in-another-view", "a vote is cast in the current view only", CORE,
           (VOTE, "block->state == BLOCK_VALID && block->header.view == self->view &&", "block->state == BLOCK_VALID &&")),
    mutant("vote-without-executing", "a vote follows the block's execution", CORE,
           (VOTE, """    block->voteable = true;
    commit_consider(self, parent);""", """    block->voteable = true;
    block->state = BLOCK_VALID;
    vote_try(self, block);
    commit_consider(self, parent);""")),
    mutant("vote-for-what-the-executor-refused", "a block whose execution gave another root gets no vote", CORE,
           (VOTE, """    block->state = event->u.checked.ok ? BLOCK_VALID : BLOCK_REFUSED;
    if (!event->u.checked.ok)
        return;
""", "    block->state = BLOCK_VALID;\n")),
    mutant("vote-before-persist", "a vote leaves after it is on disk", CORE,
           (VOTE, """    consensus_persist(self, block);
""", ""),
           (VOTE, """    send_stored_vote(self);
    struct hash id""", """    send_stored_vote(self);
    consensus_persist(self, block);
    struct hash id""")),
    mutant("no-tc-maximum", "under a TC, the block's certificate is not older than any that the TC names", CORE,
           (VOTE, """        if (proposal->tc->signatures[i].high_qc_view > proposal->header.justify_view)
            return false;
""", "")),
    mutant("first-signer-of-a-tc-not-looked-at", "no signer of the TC had a higher certificate, the first neither", "consensusd_vote",
           (VOTE, "for (uint32_t i = 0; i < proposal->tc->signature_count; i++) {", "for (uint32_t i = 1; i < proposal->tc->signature_count; i++) {")),
    mutant("first-validators-proposal-waits-for-ever", "whoever proposed it, a proposal that waited is judged", "consensusd_vote",
           (VOTE, "for (uint32_t sender = 0; sender < self->genesis->validator_count; sender++) {",
            "for (uint32_t sender = 1; sender < self->genesis->validator_count; sender++) {")),
    mutant("genesis-certificate-justifies-later-blocks", "a block stands on its parent: the next height, the parent's view", "consensusd_forged",
           (VOTE, "bool follows = parent->header.view == header->justify_view && parent->header.height + 1 == header->height &&\n                   header->timestamp_ms",
            "bool follows = header->timestamp_ms")),
    mutant("tc-of-another-view", "an attached TC is of the view just before the block's", CORE,
           (VOTE, "if (proposal->header.justify_view == before || proposal->tc->view != before)",
            "if (proposal->header.justify_view == before)")),
    mutant("tc-beside-a-fresh-certificate", "no TC is attached when the certificate is of the view just before", CORE,
           (VOTE, "if (proposal->header.justify_view == before || proposal->tc->view != before)",
            "if (proposal->tc->view != before)")),
    mutant("old-certificate-without-tc", "without a TC the certificate is of the view just before", CORE,
           (VOTE, "        return proposal->header.justify_view == before;", "        return true;")),
    mutant("parent-not-justified", "the block's parent is the block of its certificate", CORE,
           (VOTE, "return hash_equal(&header->parent_id, &justify->block_id) && header->height", "return header->height")),
    mutant("justify-view-not-compared", "the header names its certificate's view", CORE,
           (VOTE, "header->justify_view == justify->view && header->justify_signers",
            "header->justify_signers")),
    mutant("justify-signers-not-compared", "the header names its certificate's signers", CORE,
           (VOTE, "header->justify_signers == qc_signers(justify) &&\n", "\n")),
    mutant("not-the-leader", "only the view's leader proposes", CORE,
           (VOTE, "return !parent || parent->schedule.count == 0 || schedule_leader(&parent->schedule, header->view) == sender;",
            "return parent != NULL || sender < self->genesis->validator_count;"),
           (VOTE, "if (schedule_leader(&parent->schedule, proposal->header.view) != sender) {",
            "if (sender >= self->genesis->validator_count) {")),
    mutant("not-the-leader-while-the-parent-is-missing", "a proposal that waited for its parent is of the view's leader", CORE,
           (VOTE, "if (schedule_leader(&parent->schedule, proposal->header.view) != sender) {",
            "if (sender >= self->genesis->validator_count) {")),
    mutant("schedule-inherited-across-epochs", "the first block of an epoch does not inherit its parent's schedule",
           ("consensusd_vote", "consensusd_consensus", "consensus cluster", "seeds, the fixed slice"),
           (VOTE, "if (schedule_epoch(parameters, header->height) == schedule_epoch(parameters, parent->header.height))",
            "(void)parameters;\n    if (parent->schedule.count > 0)"),
           (VOTE, """    if (event->u.checked.schedule.count > 0)
        block->schedule""", """    if (event->u.checked.schedule.count > 0 && block->schedule.count == 0)
        block->schedule""")),
    mutant("proposer-not-compared", "the header's proposer is who signed the proposal", CORE,
           (VOTE, """    if (!hash_equal(&header->proposer, &self->genesis->validators[sender].id))
        return false;
""", "")),
    mutant("leaders-vote-not-verified", "a proposal is signed by its leader's vote", CORE,
           (VOTE, "    return certificate_vote_valid(self, sender, vote) &&\n           (!proposal->tc ||",
            "    return (certificate_vote_valid(self, sender, vote) || true) &&\n           (!proposal->tc ||")),
    mutant("leaders-vote-not-verified-with-a-tc", "the signature that attaches a TC does not stand for the vote", "consensusd_vote",
           (VOTE, "    return certificate_vote_valid(self, sender, vote) &&\n           (!proposal->tc ||",
            "    return (certificate_vote_valid(self, sender, vote) || proposal->tc) &&\n           (!proposal->tc ||")),
    mutant("attached-tc-not-signed", "the signature of a proposal with a TC is verified", CORE,
           (VOTE, """    return sign_verify(&proposal->signature, &self->genesis->validators[sender].sign_key,
                       span_of(message, sizeof message)) == 0;""", "    return true;")),
    mutant("certificates-before-the-signature", "who is not the leader makes nobody verify certificates", "consensusd_vote",
           (VOTE, "!justified(proposal) || !proposal_signed(self, event->sender, proposal, &vote) ||", "!justified(proposal) ||"),
           (VOTE, "(proposal->tc && !certificate_tc_valid(self, proposal->tc))) {",
            "(proposal->tc && !certificate_tc_valid(self, proposal->tc)) ||\n"
            "        !proposal_signed(self, event->sender, proposal, &vote)) {")),
    mutant("leaders-vote-verified-twice", "the vote in a proposal that brings its view is verified once", "consensusd_verified_once",
           (VOTE, "    certificate_keep_vote(self, event->sender, &vote);", "   ")),
    mutant("signature-without-a-tc-sent", "a proposal without a TC has no signature but its vote", "consensusd_propose",
           (PROPOSE, "        attach_tc(self, proposal, &block->id);\n    }\n",
            "        attach_tc(self, proposal, &block->id);\n    }\n"
            "    sign_message(&proposal->signature, &self->key, span_of(block->id.bytes, HASH_BYTES));\n")),
    mutant("signature-without-a-tc-taken", "a proposal without a TC and with a signature is malformed", "consensusd_consensus_codec",
           (CONSENSUS_CODEC, "return pb->signature.len == 0 ? 0 : ERR_MALFORMED;", "return 0;")),
    mutant("tc-without-a-signature-taken", "a proposal with a TC and without a signature is malformed", "consensusd_consensus_codec",
           (CONSENSUS_CODEC, "    return rc == 0 ? get_signature(&out->event.u.proposal.signature, &pb->signature) : rc;",
            "    return rc == 0 && pb->signature.len > 0 ? get_signature(&out->event.u.proposal.signature, &pb->signature) : rc;")),
    mutant("proposal-certificate-not-verified", "the certificate of a proposal is verified", CORE,
           (VOTE, "!certificate_qc_valid(self, proposal->justify) || ", "")),
    mutant("proposal-tc-not-verified", "the TC of a proposal is verified", CORE,
           (VOTE, " || (proposal->tc && !certificate_tc_valid(self, proposal->tc))) {", ") {")),
    mutant("block-time-not-after-parent-core", "a block's time is after its parent's", CORE,
           (VOTE, " &&\n                   header->timestamp_ms > parent->header.timestamp_ms;", ";")),
    mutant("block-from-the-future", "a block's time is not far ahead of the voter's clock", CORE,
           (VOTE, "bool early = header->timestamp_ms > self->wall_ms + self->genesis->parameters.block_future_skew_ms;",
            "bool early = false;")),
    mutant("tx-list-not-compared", "a proposal's transaction ids are those of its tx_root", CORE,
           (VOTE, " || !tx_list_valid(proposal)) {", ") {")),
    mutant("vote-signature-not-verified", "a vote is signed by its sender", CORE,
           (VOTE, "if (!certificate_vote_valid(self, event->sender, vote)) {",
            "if (!certificate_vote_valid(self, event->sender, vote) && vote->height == 0) {"),
           (CERTIFICATE, "    if (!verified && !vote_verify(self, validator, vote))\n        return false;\n", "")),

    mutant("restored-block-voted-for", "a block that came by another way than its proposal gets no vote", CORE,
           (VOTE, "return block->voteable && block->state", "return block->state")),
    mutant("verdict-changed-later", "the executor's first answer about a block counts", CORE,
           (VOTE, "if (!block || block->state != BLOCK_CHECKING)", "if (!block)")),
    mutant("vote-without-its-block-sent-again", "a vote whose block is not on disk is not sent again", CORE,
           (VOTE, "return block && block->stored;", "return block;")),
    mutant("too-many-transactions", "a block has at most block_max_txs transactions", CORE,
           (VOTE, " || header->tx_count > self->genesis->parameters.block_max_txs ||", " ||")),
    mutant("waiting-proposal-replaced-by-an-older-one", "of a sender's proposals that wait the newest is kept", CORE,
           (VOTE, "    if (held->held && held->header.view >= proposal->header.view)\n        return;\n", "")),
    mutant("known-block-not-voted-for", "a block that came by sync or from the store is voted for when its proposal comes", CORE,
           (VOTE, "    if (known->state == BLOCK_VALID)\n        vote_try(self, known);\n", "")),
    mutant("leaders-of-the-roots-children", "a proposal's leader is the one of its own parent's schedule", "consensusd_vote",
           (VOTE, "if (schedule_leader(&parent->schedule, proposal->header.view) != sender) {",
            "if (schedule_leader(&blocktree_root(self->tree)->schedule, proposal->header.view) != sender) {"),
           (VOTE, "return !parent || parent->schedule.count == 0 || schedule_leader(&parent->schedule, header->view) == sender;",
            "return !parent || sender < self->genesis->validator_count;")),
    mutant("leaders-of-a-new-epoch-not-learnt", "an epoch's first block brings the leaders of its children", "consensusd_vote",
           (VOTE, """    if (event->u.checked.schedule.count > 0)
        block->schedule = event->u.checked.schedule;
""", "")),
    mutant("leaders-of-an-own-block-not-learnt", "an own block of a new epoch brings the leaders of its children",
           "consensusd_propose",
           (PROPOSE, """    if (event->u.built.schedule.count > 0)
        block->schedule = event->u.built.schedule;
""", "")),
    mutant("own-vote-makes-no-certificate", "the own vote may complete a certificate", "consensusd_vote",
           (VOTE, "    struct hash id = block->id;\n    certificate_form_qc(self, block->header.view, block->header.height, &id);\n", "")),
    mutant("waiting-vote-not-counted", "the vote in a proposal counts though its parent is missing", "consensusd_vote",
           (VOTE, "    certificate_form_qc(self, header->view, header->height, &id);\n    judge(", "    judge(")),
    mutant("executed-before-its-parent", "a block is executed after its parent", "consensusd_vote",
           (VOTE, "block->parent->state != BLOCK_VALID)", "block->parent->state == BLOCK_WAITING)")),
    mutant("first-proposal-waits-for-ever", "of a sender's proposals that wait a newer one takes the older one's place",
           "consensusd_restored",
           (VOTE, "if (held->held && held->header.view >= proposal->header.view)", "if (held->held)")),
    mutant("twin-takes-the-certificate", "a block has a certificate that names it, not one of its view", "consensusd_commit",
           (VOTE, "if (self->voting.high_qc.view == header->view && hash_equal(&self->voting.high_qc.block_id, id)) {",
            "if (self->voting.high_qc.view == header->view) {")),
    mutant("certificate-before-its-block-forgotten", "a certificate that came before its block counts when the block comes",
           "consensusd_commit",
           (VOTE, "if (self->voting.high_qc.view == header->view && hash_equal(&self->voting.high_qc.block_id, id)) {",
            "if (false) {")),
    mutant("waiting-certificate-forgotten", "the certificate in a proposal that waited is its parent's", "consensusd_commit",
           (VOTE, "    if (!parent->has_qc) {\n        parent->has_qc = true;\n        parent->qc = *proposal->justify;\n    }\n", "")),
    mutant("wrong-block-forgotten", "what made room in the tree is named", "consensusd_restored",
           (VOTE, "effect->u.forget = evicted->id;", "effect->u.forget = *id;")),
    mutant("full-tree-not-noticed", "a block that the tree has no room for is left out", "consensusd_restored",
           (VOTE, "    if (!block)\n        return;\n    block->voteable = true;\n    commit", "    block->voteable = true;\n    commit")),

    # Certificates.
    mutant("certificate-form-not-checked", "a certificate's signers are a quorum, distinct and known", CORE,
           (CERTIFICATE, """    if (qc_check_form(qc, self->genesis) != 0)
        return false;
    if (qc->view == 0) {""", "    if (qc->view == 0) {")),
    mutant("genesis-certificate-of-any-block", "the certificate without signers is the genesis block's alone", CORE,
           (CERTIFICATE, "return root->header.height != 0 || hash_equal(&qc->block_id, &root->id);", "return root != NULL;")),
    mutant("known-signature-not-compared", "a signature counts as verified only if it is the very one", CORE,
           (CERTIFICATE, "    if (same && signature_equal(&before->signature, &vote->signature))\n        return true;\n    if (!verified",
            "    if (same)\n        return true;\n    if (!verified")),
    mutant("tc-form-not-checked", "a TC's signers are a quorum, distinct and known, its certificate the greatest named", CORE,
           (CERTIFICATE, "if (tc_check_form(tc, self->genesis) != 0 || !certificate_qc_valid",
            "if (!certificate_qc_valid")),
    mutant("tc-certificate-not-verified", "the certificate in a TC is verified", CORE,
           (CERTIFICATE, "if (tc_check_form(tc, self->genesis) != 0 || !certificate_qc_valid(self, &tc->high_qc))",
            "if (tc_check_form(tc, self->genesis) != 0)")),
    mutant("timeout-signature-not-verified", "a timeout's signature is verified, alone and inside a TC", CORE,
           (CERTIFICATE, "    if (!verify(self, validator, signature, span_of(message, sizeof message)))\n        return false;\n    if (timeout",
            "    if (timeout")),
    mutant("known-timeout-vouches-for-a-lower-certificate", "a timeout that is known vouches for its own high_qc_view alone", CORE,
           (CERTIFICATE, "timeout->verified && timeout->high_qc_view == high_qc_view &&", "timeout->verified &&")),
    mutant("known-timeout-vouches-for-any-signature", "a timeout that is known vouches for its own signature alone", CORE,
           (CERTIFICATE, """timeout->high_qc_view == high_qc_view &&
        signature_equal(&timeout->signature, signature))""", "timeout->high_qc_view == high_qc_view)")),
    mutant("known-vote-vouches-for-any-signature", "in a fetched certificate a vote that is known vouches for itself alone", CORE,
           (CERTIFICATE, "if (same && signature_equal(&before->signature, &vote.signature))\n            continue;", "if (same)\n            continue;")),
    mutant("zeros-are-a-signature", "an entry of the tally that was never written vouches for nothing", CORE,
           (CERTIFICATE, "if (timeout && timeout->verified && timeout->high_qc_view", "if (timeout && timeout->high_qc_view")),
    mutant("far-certificate-erases-votes", "a certificate of a far view does not take the place of current votes", CORE,
           (CERTIFICATE, "if (view == 0 || view > self->view + CONSENSUS_VIEWS_AHEAD_MAX)", "if (view == 0)")),
    mutant("remembered-certificate-of-any-bytes", "a certificate is remembered with all its bytes, signatures included", CORE,
           (CERTIFICATE, """        if (hash_equal(&self->verified[i], id))
            return true;""", """        if (!hash_is_zero(&self->verified[i]) && !hash_is_zero(id))
            return true;""")),
    mutant("new-view-not-verified", "a TC that is broadcast is verified", CORE,
           (CONSENSUS, "else if (certificate_tc_valid(self, event->u.new_view))", "else if (event->u.new_view->view > 0)")),
    mutant("votes-for-another-block-counted", "a certificate counts votes for one block", CORE,
           (TALLY, "if (!vote->known || vote->height != height || !hash_equal(&vote->block_id, block_id))",
            "if (!vote->known || vote->height != height)")),
    mutant("votes-for-another-height-counted", "a certificate counts votes for one height", CORE,
           (TALLY, "if (!vote->known || vote->height != height || !hash_equal(&vote->block_id, block_id))",
            "if (!vote->known || !hash_equal(&vote->block_id, block_id))")),
    mutant("qc-formed-below-quorum", "a certificate is formed from a quorum of votes", CORE,
           (CERTIFICATE, "!tally_qc(self->tally, slot, height, block_id, self->quorum, &qc))",
            "!tally_qc(self->tally, slot, height, block_id, self->quorum - 1, &qc))"),
           (CERTIFICATE, "    assert(qc_check_form(&qc, self->genesis) == 0);\n", "")),
    mutant("tc-formed-below-quorum", "a TC is formed from a quorum of timeouts", CORE,
           (CERTIFICATE, "!tally_tc(self->tally, slot, self->quorum, &tc))",
            "!tally_tc(self->tally, slot, self->quorum - 1, &tc))"),
           (CERTIFICATE, "    assert(tc_check_form(&tc, self->genesis) == 0);\n", "")),
    mutant("genesis-certificate-makes-final", "the genesis certificate certifies no later block", "consensusd_forged",
           (CERTIFICATE, "if (block && !block->has_qc && block->header.view == qc->view && block->header.height == qc->height) {",
            "if (block && !block->has_qc) {")),
    mutant("final-without-its-own-certificate", "a certificate makes final with a block that has it", "consensusd_forged",
           (COMMIT, "if (!block->has_qc || !parent || !parent->parent)", "if (!parent || !parent->parent)")),
    mutant("tc-goes-back", "the TC that is kept is the highest seen", "consensusd_forged",
           (CERTIFICATE, "    if (self->voting.has_tc && tc->view <= self->voting.high_tc.view)\n        return;\n    self->voting.has_tc",
            "    self->voting.has_tc")),
    mutant("lock-not-raised-by-a-tc", "the certificate in a TC raises the lock", CORE,
           (CERTIFICATE, "    certificate_take_qc(self, &tc->high_qc);\n    silence", "    silence")),
    mutant("lock-not-raised-by-sync", "a certificate that comes with a fetched block raises the lock", "consensusd_catchup",
           (CATCHUP, "    if (certified->qc)\n        certificate_take_qc(self, certified->qc);\n",
            """    if (certified->qc && !block->has_qc) {
        block->has_qc = true;
        block->qc = *certified->qc;
    }
""")),
    mutant("old-timeouts-in-a-new-view", "timeouts of a view do not count for the one that takes its place", "consensusd_tally",
           (TALLY, "        slot->timeout_count = 0;\n", ""),
           (TALLY, "        memset(slot->timeouts, 0, self->validator_count * sizeof slot->timeouts[0]);\n", "")),
    mutant("far-tc-in-the-tally", "a TC of a far view is judged without the tally", "consensusd_forged",
           (CERTIFICATE, "struct tally_timeout *timeout = slot ? &slot->timeouts[validator] : NULL;",
            "struct tally_timeout *timeout = &slot->timeouts[validator];")),
    mutant("lock-goes-back", "the lock is the highest certificate seen", CORE,
           (CERTIFICATE, """    if (qc->view > self->voting.high_qc.view) {
        self->voting.high_qc = *qc;""", """    if (qc->view != self->voting.high_qc.view) {
        self->voting.high_qc = *qc;""")),

    # After a restart.
    mutant("lock-forgotten-at-restart", "the lock outlives a restart", CORE,
           (CONSENSUS, "        self->voting = *config->voting;\n",
            """        self->voting = *config->voting;
        self->voting.high_qc.block_id = config->root_id;
        self->voting.high_qc.view = config->root.view;
        self->voting.high_qc.height = config->root.height;
        self->voting.high_qc.signature_count = 0;
""")),
    mutant("vote-forgotten-at-restart", "last_voted_view outlives a restart", CORE,
           (CONSENSUS, "        self->voting = *config->voting;\n",
            """        self->voting = *config->voting;
        self->voting.last_voted_view = self->voting.high_qc.view;
        self->voting.has_vote = false;
""")),

    # The voting state is the last one of the key.
    mutant("votes-though-the-key-signed-elsewhere", "no vote after a certificate showed our signature of elsewhere",
           "consensusd_silence",
           (VOTE, "    if (silence_holds(self))\n        return false;\n", "")),
    mutant("times-out-though-the-key-signed-elsewhere", "no timeout after a certificate showed our signature of elsewhere",
           "consensusd_silence",
           (PACEMAKER, "    if (silence_holds(self))\n        return;\n", "")),
    mutant("floor-not-held", "a lost voting state is silent until a certificate of the floor's view",
           "consensusd_silence",
           (HOME + "silence.c", "self->used_elsewhere_view > 0 || self->voting.high_qc.view < self->floor_view",
            "self->used_elsewhere_view > 0")),
    mutant("proposes-though-silent", "a silent leader has no block built", CORE,
           (PROPOSE, "self->proposed_view == self->view || silence_holds(self))", "self->proposed_view == self->view)")),
    mutant("key-elsewhere-not-seen-in-a-qc", "a quorum certificate shows whether our key signed elsewhere", "consensusd_silence",
           (CERTIFICATE, "    silence_look_at_qc(self, qc);\n", "")),
    mutant("roots-certificate-of-another-block", "the lock is the root's certificate only if it names the root",
           "consensusd_restored",
           (CONSENSUS, "if (config->voting && hash_equal(&config->voting->high_qc.block_id, &config->root_id)) {", "if (config->voting) {")),
    mutant("tc-forgotten-at-restart", "the TC outlives a restart", "consensusd_certificate",
           (CONSENSUS, "    if (self->voting.has_tc && self->voting.high_tc.view > self->view)\n        self->view = self->voting.high_tc.view;\n", "")),
    mutant("times-out-of-the-floors-view", "the floor's own view may have been spoken in: it is silent there", "consensusd_silence",
           (HOME + "silence.c", "self->voting.high_qc.view < self->floor_view;", "self->voting.high_qc.view + 1 < self->floor_view;")),
    mutant("key-elsewhere-seen-with-the-block-only", "a certificate shows whether our key signed elsewhere, without its block",
           "consensusd_silence",
           (CERTIFICATE, "    silence_look_at_qc(self, qc);\n", "    if (block)\n        silence_look_at_qc(self, qc);\n")),
    mutant("key-elsewhere-not-seen-in-a-tc", "a timeout certificate shows whether our key signed elsewhere",
           "consensusd_silence",
           (CERTIFICATE, "    silence_look_at_tc(self, tc);\n", "")),
    mutant("others-signatures-make-silent", "only our own signature in a certificate makes a validator silent",
           ("consensusd_silence",),
           (HOME + "silence.c", "if (signer == self->self && view", "if (view")),
    mutant("own-votes-make-silent", "what this validator voted for itself is no surprise", "consensusd_silence",
           (HOME + "silence.c", "view > self->voting.last_voted_view && view > self->used_elsewhere_view",
            "view > self->used_elsewhere_view")),
    mutant("views-below-the-floor-are-a-surprise", "what the lost state signed below the floor was to be expected",
           "consensusd_silence",
           (CONSENSUS, "    if (self->voting.last_voted_view < config->floor_view)\n        self->voting.last_voted_view = config->floor_view;\n", "")),
    mutant("goes-on-after-a-failed-persist", "who cannot write its vote sends nothing and ends", "consensusd_daemon",
           (HOME + "consensusd.c", "        return persist(self, effect);\n", "        (void)persist(self, effect);\n        break;\n")),
    mutant("record-hash-not-checked", "the voting record ends with the hash of itself", ("cybermeshctl_safety", "consensusd_safety_damage"),
           ("common/base/voting.c", "memcmp(seal.bytes, value.data + sealed.size, HASH_BYTES) != 0", "false"),
           ("common/edge/store_read.c", "memcmp(wanted, entry.value.data + entry.value.size, STORE_CHECKSUM_BYTES) != 0", "false")),
    mutant("record-of-another-chain", "a voting record of another genesis file is refused",
           ("consensusd_safety_damage", "consensusd_safety_store", "consensusd_daemon"),
           (HOME + "safety_store_open.c", "bool same_chain = hash_equal(chain_id, &options->chain_id);", "bool same_chain = chain_id != NULL;")),
    mutant("record-of-another-key", "a voting record of another validator's key is refused",
           ("consensusd_safety_damage", "consensusd_safety_store"),
           (HOME + "safety_store_open.c", "if (same_chain && memcmp(key->bytes, options->key.bytes, SIGN_PUBLIC_BYTES) == 0)",
            "if (same_chain && key != NULL)")),
    mutant("used-store-without-mark", "a store that was used and has no mark beside its key is refused",
           ("consensusd_safety_damage", "consensusd_safety_store"),
           (HOME + "safety_store_open.c", "if (self->record.starts == 0 || options->floor_view > voted_view)", "if (true)")),
    mutant("mark-views-not-compared", "a store with fewer votes than its mark says is refused",
           ("consensusd_safety_damage", "consensusd_safety_store"),
           (HOME + "safety_store_open.c", "mark.last_voted_view > voted_view || mark.sequence > voting_record_number(&self->record)",
            "mark.sequence > UINT64_MAX - 1")),
    mutant("mark-not-written", "the mark follows the store's writes", ("consensusd_safety_damage", "consensusd_safety_store"),
           ("common/edge/voted_mark.c", "    return sync && fdatasync(file->fd) < 0 ? -errno : 0;",
            "    (void)sync;\n    return ftruncate(file->fd, 0) < 0 ? -errno : 0;")),
    mutant("older-store-accepted", "a store that is behind its key's mark is refused", "consensusd_safety_damage",
           (HOME + "safety_store_open.c", "rc = rc == 0 && options->mark_path ? compare_mark(self, options) : rc;", "")),
    mutant("record-of-another-write-accepted", "the voting record is of the write that the store shows",
           "consensusd_safety_damage",
           ("common/base/voting.c", "memcmp(seal.bytes, value.data + sealed.size, HASH_BYTES) != 0", "false"),
           ("common/edge/voting_store.c", "record.sequence != entry->sequence", "false"),
           ("common/edge/store_read.c",
            "memcmp(wanted, entry.value.data + entry.value.size, STORE_CHECKSUM_BYTES) != 0", "false")),

    # Old blocks.
    mutant("prunes-what-executord-lacks", "a block stays until executord has it on disk", "consensusd_retention",
           (HOME + "retention.c", "return first < needed ? first : needed;", "(void)needed;\n    return first;")),
    mutant("prunes-the-last-block", "the last committed block stays: a restart begins there", "consensusd_safety_store",
           (HOME + "safety_store.c", "height = self->height; /* a restart begins at the last one */",
            "height = self->height + 1;")),

    # The tree.
    mutant("certified-block-evicted", "a full tree gives up no block that has its certificate", CORE,
           (HOME + "blocktree.c", "block == keep || block->has_qc || has_child(self, block))", "block == keep || has_child(self, block))")),
    mutant("parent-evicted", "a full tree gives up no block that another stands on", CORE,
           (HOME + "blocktree.c", "block == keep || block->has_qc || has_child(self, block))", "block == keep || block->has_qc)")),
    mutant("leader-of-an-unknown-schedule", "a proposal waits while nobody knows who leads its parent's children", CORE,
           (VOTE, "    if (!parent || parent->schedule.count == 0) {\n        hold", "    if (!parent) {\n        hold")),

    # Final.
    mutant("commit-without-consecutive-views", "a block is final when its certified child is of the very next view", CORE,
           (COMMIT, """    if (parent->header.view + 1 != block->header.view)
        return;
""", "")),
    mutant("commit-without-certificate", "a block is final when its child has a certificate, not when it is proposed", CORE,
           (COMMIT, "if (!block->has_qc || !parent || !parent->parent)", "if (!parent || !parent->parent)"),
           (VOTE, """    if (block->has_qc)
        commit_consider(self, block);
    certificate_form_qc""", """    commit_consider(self, block);
    certificate_form_qc""")),
    mutant("commit-order-reversed", "final blocks are handed out in height order", CORE,
           (COMMIT, "    size_t delivered = 0;\n",
            """    size_t delivered = 0;
    for (size_t i = 0; i + 2 < count - i; i++) {
        struct block *other = self->path[i];
        self->path[i] = self->path[count - 2 - i];
        self->path[count - 2 - i] = other;
    }
""")),
    mutant("commit-before-executed", "a final block is handed out after it was executed here", CORE,
           (COMMIT, "if (block->state != BLOCK_VALID || !emit(self, delivered, count))", "if (!emit(self, delivered, count))")),
    mutant("final-called-back", "an older certificate does not call back what is final", "consensusd_commit",
           (COMMIT, "    if (self->commit_target && self->commit_target->header.height >= parent->header.height)\n        return;\n", "")),
    mutant("proof-without-certificate", "a proof ends with a block whose certificate is here", "consensusd_commit",
           (COMMIT, " && self->path[i + 1]->has_qc)", ")")),
    mutant("proofs-unbounded", "the proofs of a step fit into their memory", "consensusd_commit",
           (COMMIT, "    if (self->proof_header_count + headers > PROOF_HEADERS_MAX)\n        return false;\n", "")),
    mutant("fate-of-an-older-commit", "what is lost is judged anew at each commit", "consensusd_blocktree",
           (HOME + "blocktree.c", "        each->fate_ = FATE_UNKNOWN;\n", "        each->fate_ = each->fate_ == FATE_KEPT ? FATE_KEPT : FATE_UNKNOWN;\n")),
    mutant("lost-block-with-certificate-kept", "what does not descend from the new root is removed, certified or not",
           "consensusd_blocktree",
           (HOME + "blocktree.c", "        if (each->fate_ == FATE_KEPT) {", "        if (each->fate_ == FATE_KEPT || (each->has_qc && each != old_root)) {")),

    # Timeouts.
    mutant("timeout-below-last-voted-view", "no timeout is signed for a view below last_voted_view", CORE,
           (PACEMAKER, """    if (self->view < voting->last_voted_view)
        return;
""", "")),
    mutant("vote-after-timeout", "after a timeout there is no vote in that view", CORE,
           (PACEMAKER, "    voting->last_voted_view = self->view;\n",
            "    if (voting->last_voted_view + 1 < self->view)\n        voting->last_voted_view = self->view - 1;\n")),
    mutant("timeout-before-persist", "a timeout leaves after it is on disk", CORE,
           (PACEMAKER, "    consensus_persist(self, NULL);\n", ""),
           (PACEMAKER, "    self->counters.timeouts_sent++;\n",
            "    self->counters.timeouts_sent++;\n    consensus_persist(self, NULL);\n")),
    mutant("timeout-just-below-last-voted-view", "no timeout is signed for the view before last_voted_view", CORE,
           (PACEMAKER, "    if (self->view < voting->last_voted_view)\n", "    if (self->view + 1 < voting->last_voted_view)\n")),
    mutant("own-timeout-makes-no-certificate", "the own timeout may complete a TC", "consensusd_pacemaker",
           (PACEMAKER, "        slot->best_qc = voting->high_qc;\n    certificate_form_tc(self, self->view);\n", "        slot->best_qc = voting->high_qc;\n")),
    mutant("own-lock-not-in-the-tc", "a TC has the own certificate if that is the highest", "consensusd_pacemaker",
           (PACEMAKER, "    if (voting->high_qc.view >= slot->best_qc.view)\n        slot->best_qc = voting->high_qc;\n", "")),
    mutant("one-liar-turns-views", "a validator joins a timeout only when N - quorum + 1 others time out", CORE,
           (PACEMAKER, "uint32_t join_count = self->genesis->validator_count - self->quorum + 1;",
            "uint32_t join_count = 1;")),
    mutant("dead-transactions-are-work", "a pooled transaction that would not be executed starts no timer", ("pacemaker",),
           (PACEMAKER, "self->pool_live = live_count > 0;", "self->pool_live = true;")),
    mutant("timer-does-not-follow", "the timer follows the time that views take", ("pacemaker",),
           (PACEMAKER, "    if (timeout_ms < limits->view_timeout_min_ms)\n", "    if (timeout_ms > 0)\n")),
    mutant("idle-views-measured", "how long a view without work lasted is not measured", "consensusd_pacemaker",
           (PACEMAKER, "        if (self->work_since_ms != NEVER_MS)\n            measure", "        measure")),
    mutant("growing-pool-stops-the-timer", "a pool that grows stops no timer", "consensusd_pacemaker",
           (PACEMAKER, "    if (self->pool.tx_count == 0)\n        self->pool_live = false;\n    look", "    self->pool_live = false;\n    look")),
    mutant("timer-without-work", "the timer runs only while there is work", ("pacemaker", "consensusd_pacemaker"),
           (PACEMAKER, "return self->work_since_ms == NEVER_MS ? NEVER_MS : self->timer_start_ms + timer_ms(self);",
            "return self->timer_start_ms + timer_ms(self);")),
    mutant("timeout-certificate-not-verified", "the certificate of a timeout is verified", CORE,
           (PACEMAKER, " ||\n        !certificate_qc_valid(self, timeout->high_qc)) {", ") {")),
    mutant("timeout-certificate-of-its-own-view", "the certificate of a timeout is of a lower view", CORE,
           (PACEMAKER, "    if (qc_view >= timeout->view ||\n", "    if (\n")),
    mutant("heartbeat-certificate-not-verified", "the certificate of a heartbeat is verified", CORE,
           (PACEMAKER, """        if (!certificate_qc_valid(self, heartbeat->high_qc)) {
            self->counters.dropped_bad++;
            return;
        }
""", "")),
    mutant("heartbeat-tc-not-verified", "the TC of a heartbeat is verified", CORE,
           (PACEMAKER, """        if (!certificate_tc_valid(self, tc)) {
            self->counters.dropped_bad++;
            return;
        }
""", "")),

    mutant("older-timeout-takes-the-newer-ones-place", "a validator's timeout with the higher certificate counts", CORE,
           (PACEMAKER, "if (!entry->known || qc_view >= entry->high_qc_view)", "if (true)")),
    mutant("newer-timeout-forgotten", "a timeout with a higher certificate takes the older one's place", CORE,
           (PACEMAKER, "if (!entry->known || qc_view >= entry->high_qc_view)", "if (!entry->known)")),
    mutant("timeouts-of-another-view-joined", "a validator joins timeouts of its own view only", CORE,
           (PACEMAKER, "if (timeout->view == self->view && !joined", "if (!joined")),
    mutant("refused-block-is-work", "a block that the executor refused keeps no timer running", CORE,
           (PACEMAKER, "header.tx_count > 0 && block->state != BLOCK_REFUSED;", "header.tx_count > 0;")),
    mutant("work-of-a-past-view", "a past view's block whose transactions never came keeps no clock running", "consensusd_pacemaker",
           (PACEMAKER, "(!certified || block->state == BLOCK_VALID || block->header.view >= self->view)", "true")),
    mutant("no-recheck-after-a-timeout", "when the view has timed out here the pool is looked at, whatever else keeps the clock running",
           "consensusd_pacemaker",
           (PACEMAKER, "self->work_since_ms != NEVER_MS && !has_timed_out(self);", "self->work_since_ms != NEVER_MS;\n    (void)has_timed_out;")),
    mutant("open-chain-left-alone", "a chain goes on until it proves by itself what is final", "consensusd_propose",
           (PROPOSE, "if (inflight > 0 || propose_chain_is_open(self))", "if (inflight > 0)")),
    mutant("open-chain-block-thrown-away", "an empty block that a chain needs for its proof is proposed", "consensusd_propose",
           (PROPOSE, "propose_inflight_txs(self) == 0 && !propose_chain_is_open(self);", "propose_inflight_txs(self) == 0;")),
    mutant("open-chain-is-no-work", "a chain that does not prove what is final is work", "consensusd_propose",
           (PACEMAKER, "    return propose_chain_is_open(self);", "    return false;")),
    mutant("every-chain-is-open", "a chain that proves what is final is left alone", "consensusd_propose",
           (PROPOSE, "block->header.height > 0 && child->header.view != block->header.view + 1;", "block->header.height > 0;")),
    mutant("work-that-came-late", "a past view's block that was executed here is work", "consensusd_pacemaker",
           (PACEMAKER, "!certified || block->state == BLOCK_VALID ||", "!certified ||")),
    mutant("recheck-on-an-unexecuted-block", "the pool is looked at on a block that was executed here", CORE,
           (PACEMAKER, "if (!block || block->state != BLOCK_VALID)\n        return NEVER_MS;", "if (!block)\n        return NEVER_MS;")),
    mutant("late-certificate-starts-the-view-again", "a certificate of a view that is over starts no timer", CORE,
           (CERTIFICATE, "    if (view + 1 <= self->view)\n        return;\n", "")),

    # Proposals.
    mutant("proposal-on-an-unexecuted-parent", "a leader builds on a block that it has executed", CORE,
           (PROPOSE, "if (!parent || parent->state != BLOCK_VALID || blocktree_count", "if (!parent || blocktree_count")),
    mutant("built-by-another", "a leader proposes only a block that names it", CORE,
           (PROPOSE, " &&\n           hash_equal(&header->proposer, &self->genesis->validators[self->self].id) &&", " &&")),
    mutant("built-for-another-chain", "a leader proposes only a block of its chain", CORE,
           (PROPOSE, " &&\n           hash_equal(&header->chain_id, &self->genesis->chain_id);", ";")),
    mutant("builds-into-a-full-tree", "nothing is built that the tree has no room for", "consensusd_restored",
           (PROPOSE, "parent->state != BLOCK_VALID || blocktree_count(self->tree) >= CONSENSUS_BLOCKS_MAX)", "parent->state != BLOCK_VALID)")),
    mutant("built-before-its-parent", "a block is built later than its parent, whatever the clock says", "consensusd_propose",
           (PROPOSE, ".timestamp_ms = self->wall_ms > after_parent ? self->wall_ms : after_parent,", ".timestamp_ms = self->wall_ms,"),
           (PROPOSE, "    uint64_t after_parent = parent->header.timestamp_ms + 1;\n", "")),
    mutant("build-lost-with-the-executor", "an executor that forgot is asked to build again", "consensusd_consensus",
           (CONSENSUS, "    self->building_view = NEVER_VIEW;\n}", "}")),
    mutant("builds-twice-at-once", "one block is built at a time", CORE,
           (PROPOSE, "if (!may_propose(self) || self->building_view == self->view || self->now_ms", "if (!may_propose(self) || self->now_ms")),
    mutant("told-again", "one proof of equivocation is told for each offender", CORE,
           (HOME + "evidence.c", """    if (evidence_is_accused(self, validator))
        return;
    struct equivocation equivocation = {
        .offender = self->genesis->validators[validator].id,
        .kind = EQUIVOCATION_VOTE,""", """    struct equivocation equivocation = {
        .offender = self->genesis->validators[validator].id,
        .kind = EQUIVOCATION_VOTE,""")),
    mutant("proposal-before-persist", "a proposal leaves after its own vote is on disk", CORE,
           (PROPOSE, """    if (!vote_cast(self, block))
        return;
    send_proposal(self, block);""", """    self->voting.vote_signature = (struct signature){0};
    send_proposal(self, block);
    if (!vote_cast(self, block))
        return;""")),
    mutant("proposal-on-an-older-certificate", "a leader proposes on its highest certificate", CORE,
           (PROPOSE, """header->justify_view == self->voting.high_qc.view &&
           hash_equal(&header->parent_id, &self->voting.high_qc.block_id) &&
           header->justify_signers == qc_signers(&self->voting.high_qc) &&""", "true &&")),
    mutant("proposal-without-its-tc", "a proposal on a certificate that is not of the view before carries the TC", CORE,
           (PROPOSE, "if (block->header.justify_view + 1 != block->header.view) {",
            "if (block->header.justify_view + 1 != block->header.view && self->voting.has_tc && false) {")),

    # Blocks that are fetched.
    mutant("sync-certificate-not-verified", "a fetched block's certificate is verified by the core as well", CORE,
           (CATCHUP, "if (!own_certificate || !certificate_qc_valid(self, each->qc)) {", "if (!own_certificate) {")),
    mutant("sync-certificate-remembered-unverified", "a certificate is remembered after all its signatures were verified",
           ("consensusd_verified_once", "consensusd_sync_check"),
           (CERTIFICATE, """        if (!vote_verify(self, validator, &vote))
            return false;
    }
    remember(self, &id);
    return true;""", """        if (!vote_verify(self, validator, &vote)) {
            remember(self, &id);
            return false;
        }
    }
    remember(self, &id);
    return true;""")),
    mutant("sync-certificate-verified-nowhere", "a fetched block's certificate is verified", "consensusd_verified_once",
           (CERTIFICATE, """        if (!vote_verify(self, validator, &vote))
            return false;
    }
    remember""", """        (void)vote_verify(self, validator, &vote);
    }
    remember""")),
    mutant("fingerprint-without-signatures", "what is remembered of a certificate is all its bytes",
           ("consensusd_verified_once", "consensusd_sync_check"),
           (CERTIFICATE, "return hash_of(bytes_written(&writer));", "return hash_of(span_of(bytes, 48));")),
    mutant("unverified-certificate-of-a-known-block-used", "what comes with a block that has its certificate is not used",
           "consensusd_verified_once",
           (CATCHUP, """        if (own_certificate && has_certificate(self, each, &id))
            continue;
        if (!own_certificate || !certificate_qc_valid(self, each->qc)) {""",
            """        bool known = own_certificate && has_certificate(self, each, &id);
        if (!own_certificate || !(known || certificate_qc_valid(self, each->qc))) {""")),
    mutant("sync-certificate-of-another-block", "a fetched block's certificate is its own", CORE,
           (CATCHUP, " &&\n                               each->qc->height == each->header.height && hash_equal(&each->qc->block_id, &id);",
            " && !hash_is_zero(&id);")),
    mutant("sync-parent-not-justified", "a fetched block's justify_view is its parent's view", CORE,
           (CATCHUP, "parent->header.height + 1 == header->height && parent->header.view == header->justify_view &&",
            "parent->header.height + 1 == header->height &&")),
    mutant("sync-parent-unknown", "a fetched block stands on one that is here", "consensusd_catchup",
           (CATCHUP, "bool fits = parent && hash_equal(&header->chain_id", "bool fits = hash_equal(&header->chain_id")),
    mutant("serves-without-certificate", "only certified blocks are served", "consensusd_consensus",
           (CONSENSUS, "!block->parent || !block->has_qc)\n            break;", "!block->parent)\n            break;")),
    mutant("sync-tx-list-not-compared", "a fetched block's transactions are those of its tx_root", CORE,
           (CATCHUP, "parent->header.view < header->view && tx_list_matches(certified);", "parent->header.view < header->view;")),
    mutant("overlapping-answer-refused", "an answer may begin with blocks that are committed here", CORE,
           (CATCHUP, "    if (header->height <= blocktree_root(self->tree)->header.height)\n        return true;\n", ""),
           (CATCHUP, "return block ? block->has_qc : certified->header.height <= blocktree_root(self->tree)->header.height;",
            "return block && block->has_qc;")),
    mutant("unexecuted-block-not-asked-for", "a block that is not executed for long is asked for", CORE,
           (CATCHUP, "return !block || (block->state != BLOCK_VALID && block->state != BLOCK_REFUSED);", "return !block;")),
    mutant("asks-below-the-root", "a certificate below the root is nothing to ask for", CORE,
           (CATCHUP, "    if (self->voting.high_qc.height <= blocktree_root(self->tree)->header.height)\n        return false;\n", "")),
    mutant("whoever-speaks-is-asked", "who was asked is heard, whoever shows something meanwhile", "consensusd_catchup",
           (CATCHUP, "    if (self->sync_attempts == 0)\n        self->sync_peer = sender;", "    self->sync_peer = sender;")),
    mutant("empty-answers-are-a-storm", "an empty answer is not followed by a question at once", "consensusd_catchup",
           (CATCHUP, "if (event->u.synced.count == 0 && event->u.synced.height_lowest > catchup_height(self)) {", "if (event->u.synced.count == 0) {")),
    mutant("asks-on-above-a-lost-fork", "an answer that does not fit the last one begins anew", "consensusd_catchup",
           (CATCHUP, "    if (taken == 0)\n        self->sync_height = 0; /*", "    /*")),
    mutant("answers-unbounded", "of a long answer the beginning is taken", "consensusd_catchup",
           (CATCHUP, "taken < event->u.synced.count && taken < CONSENSUS_SYNCED_MAX; taken++", "taken < event->u.synced.count; taken++")),
    mutant("sync-answer-of-a-stranger", "only the validator that was asked is heard", CORE,
           (CATCHUP, "if (event->sender != self->sync_peer || self->sync_attempts == 0)", "if (self->sync_attempts == 0)")),

    # Around the core.
    mutant("bodies-over-each-other", "each body in the cache has its own place", "consensusd_block_cache",
           (HOME + "block_cache.c", "at += bodies[i].size;", "at += 0;")),
    mutant("executor-refusal-not-told", "what executord refuses is refused", "consensusd_daemon",
           (EXECUTION_CLIENT, """    case CYBERMESH__EXECUTION__V1__STATUS__STATUS_BAD_HEADER:
        return VERDICT_REFUSED;""", """    case CYBERMESH__EXECUTION__V1__STATUS__STATUS_BAD_HEADER:
        return VERDICT_OK;""")),
    mutant("parent-without-certificate", "a block whose parent's certificate is not here is written without it",
           "consensusd_catchup",
           (CONSENSUS, "block && block->parent->has_qc ? &block->parent->qc : NULL;",
            "block ? &block->parent->qc : NULL;\n    assert(!block || block->parent->has_qc || block->parent->header.height == 0);")),
]
