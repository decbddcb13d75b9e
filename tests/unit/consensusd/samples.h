/* samples.h - headers, certificates and bodies that the tests of consensusd's shell are about. Pure. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/block.h"
#include "common/base/cert.h"
#include "services/consensusd/consensus.h"

/* Thirty-two, or sixty-four, equal bytes. */
struct hash sample_hash(uint8_t byte);
struct signature sample_signature(uint8_t byte);

/* A certificate by validators 0 .. signers - 1. */
struct qc sample_qc(uint64_t view, uint32_t signers);
/* A timeout certificate by validators 0 .. signers - 1; its highest certificate is sample_qc(view - 2, signers). */
struct tc sample_tc(uint64_t view, uint32_t signers);

/* Every field is different. */
struct block_header sample_header(uint64_t height, uint32_t tx_count);

/* Voting state with a vote, a timeout and a timeout certificate. */
struct consensus_voting sample_voting(uint64_t view);

void sample_assert_qc(const struct qc *got, const struct qc *expected);
void sample_assert_tc(const struct tc *got, const struct tc *expected);
void sample_assert_header(const struct block_header *got, const struct block_header *expected);
