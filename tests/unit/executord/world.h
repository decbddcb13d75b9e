/* world.h - what the tests of executord share: a genesis, bodies, and an executor made of them.
 *
 * Execution does not check the signatures of events (admission does), so they carry arbitrary ones. Proofs of
 * equivocation are signed.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/equivocation.h"
#include "common/base/genesis.h"
#include "common/base/tx.h"
#include "services/executord/executor.h"

#define WORLD_CREATED_MS UINT64_C(1700000000000)
#define WORLD_CREATED_S INT64_C(1700000000)

enum { WORLD_ANOMALIES, WORLD_EVIDENCE, WORLD_POLICIES, WORLD_PRODUCERS };
enum { WORLD_VALIDATORS = 4 };

struct world {
    struct genesis genesis;
    struct genesis_producer producers[WORLD_PRODUCERS];
    struct sign_key keys[WORLD_VALIDATORS]; /* of the validators */
    struct executor *executor;
    struct policy_facts facts; /* what every policy's params say */
    int facts_verdict;
};

/* One body on the heap; freed by world_body_free(). */
struct world_body {
    uint8_t *data;
    size_t size;
};

/* Four validators, one producer per kind. */
void world_genesis(struct world *world);
/* The executor of this world; seed as given. */
void world_start(struct world *world, uint64_t seed);
struct executor_options world_options(struct world *world, uint64_t seed);
void world_end(struct world *world);

/* What distinguishes a body. */
struct world_event {
    enum tx_kind kind;
    const char *id;
    unsigned nonce;
    int64_t ts;         /* 0: WORLD_CREATED_S */
    const char *alg;    /* NULL: v2 */
    unsigned producer;  /* + 1, of world->producers; 0: the one of the kind; 99: a stranger */
    const char *source; /* NULL: "sensor" */
    size_t refs;
};

struct world_body world_body(const struct world *world, const struct world_event *event);
/* The validator (index) said two things in this view. */
struct equivocation world_proof(const struct world *world, uint32_t offender, enum equivocation_kind kind,
                                uint64_t view);
struct world_body world_proof_body(const struct equivocation *proof);
void world_body_free(struct world_body *body);
struct span world_span(const struct world_body *body);

/* A build on this block: height and parent from it, time its time + 1000 ms. */
struct executor_build world_build_on(const struct version *parent, const struct span *bodies, size_t count);
/* Build, commit, and return the committed version. Every body must be accepted. */
const struct version *world_commit(struct world *world, const struct span *bodies, size_t count);
