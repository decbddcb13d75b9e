"""services/consensusd, the genesis ceremony: what a certificate is, who is counted, when consensus may begin."""

from mutant import mutant

CEREMONY, CERTIFICATE = "services/consensusd/ceremony.c", "services/consensusd/genesis_certificate.c"
CORE = ("consensusd_genesis_certificate", "consensusd_ceremony")

MUTANTS = [
    # The certificate.
    mutant("ceremony-quorum-not-asked-for", "a genesis certificate has a quorum of attestations", CORE,
           (CERTIFICATE, "if (certificate->count < genesis_quorum(genesis->validator_count) || certificate->count",
            "if (certificate->count")),
    mutant("ceremony-signers-not-distinct", "an attestation counts once", CORE,
           (CERTIFICATE, "validator <= certificate->attestations[i - 1].validator",
            "validator < certificate->attestations[i - 1].validator")),
    mutant("ceremony-attestation-not-verified", "every attestation in a certificate is signed by its validator", CORE,
           (CERTIFICATE, "if (!attestations_are_signed(certificate, genesis) || !aggregator_signed(certificate, genesis))",
            "if ((0 && !attestations_are_signed(certificate, genesis)) || !aggregator_signed(certificate, genesis))")),
    mutant("ceremony-aggregator-not-verified", "a certificate is signed by who made it", CORE,
           (CERTIFICATE, "if (!attestations_are_signed(certificate, genesis) || !aggregator_signed(certificate, genesis))",
            "if (!attestations_are_signed(certificate, genesis) || (0 && !aggregator_signed(certificate, genesis)))")),
    mutant("ceremony-any-spread", "the attestations of a certificate were made at about the same time", CORE,
           (CERTIFICATE, "!signers_are_a_quorum(certificate, genesis) || !times_are_together(certificate)",
            "!signers_are_a_quorum(certificate, genesis) || (0 && !times_are_together(certificate))")),
    mutant("ceremony-other-terms-in-the-certificate", "a certificate has this genesis file's terms", CORE,
           (CERTIFICATE, "if (!terms_equal(&certificate->terms, &terms))",
            "if (0 && !terms_equal(&certificate->terms, &terms))")),
    # Who is counted.
    mutant("ceremony-other-chain-accepted", "a validator with another genesis file is refused", CORE[1],
           (CEREMONY, "if (!hash_equal(&ours->chain_id, &theirs->chain_id))",
            "if (0 && !hash_equal(&ours->chain_id, &theirs->chain_id))")),
    mutant("ceremony-other-rules-accepted", "a validator with other rules is refused", CORE[1],
           (CEREMONY, "if (!hash_equal(&ours->config_hash, &theirs->config_hash))",
            "if (0 && !hash_equal(&ours->config_hash, &theirs->config_hash))")),
    mutant("ceremony-ready-not-verified", "a GenesisReady is signed by its sender", CORE[1],
           (CEREMONY, "if (!genesis_ready_is_signed(ready, &self->genesis->validators[sender].sign_key)) {",
            "if (0 && !genesis_ready_is_signed(ready, &self->genesis->validators[sender].sign_key)) {")),
    mutant("ceremony-any-clock", "a GenesisReady whose time is far from the own clock is not counted", CORE[1],
           (CEREMONY, "if (distance(ready->time_ms, self->wall_ms) > CEREMONY_SKEW_MS_MAX) {",
            "if (0 && distance(ready->time_ms, self->wall_ms) > CEREMONY_SKEW_MS_MAX) {")),
    mutant("ceremony-old-attestation-counted", "an attestation heard long ago is not counted", CORE[1],
           (CEREMONY, "return heard->held && self->now_ms - heard->heard_ms <= CEREMONY_AGE_MS_MAX;",
            "return heard->held;")),
    mutant("ceremony-replay-makes-younger", "an older GenesisReady does not take a newer one's place", CORE[1],
           (CEREMONY, """    if (is_fresh(self, validator) && ready->time_ms <= heard->attestation.time_ms)
        return;
""", "")),
    # When it is over.
    mutant("ceremony-certificate-not-checked", "consensus begins only after a certificate that was checked", CORE[1],
           (CEREMONY, "    int rc = genesis_certificate_check(certificate, self->genesis);\n",
            "    int rc = 0;\n")),
    mutant("ceremony-done-before-stored", "the certificate is on disk before consensus begins", CORE[1],
           (CEREMONY, """    add_effect(self, CEREMONY_STORE)->u.certificate = &self->certificate;
    add_effect(self, CEREMONY_DONE);""", """    add_effect(self, CEREMONY_DONE);
    add_effect(self, CEREMONY_STORE)->u.certificate = &self->certificate;""")),
    mutant("ceremony-nobody-steps-in", "when the leader of view 1 is away, the leader of the next view makes the certificate",
           CORE[1], (CEREMONY, "            return (view - 1) * CEREMONY_STEP_IN_MS;",
                     "            return view == 1 ? 0 : NEVER_MS;")),
    mutant("ceremony-late-joiner-unanswered", "who is finished answers a GenesisReady with the certificate", CORE[1],
           (CEREMONY, "        self->certificate_answer.wanted = true;\n", "")),
]
