/* verify.h - signature checks of fetched bodies, on a pool of threads.
 *
 * Not pure: threads. Ownership: bodies are copied. Threads: every function is for the loop's thread; `done` is called
 * there.
 */
#pragma once

#include <stdint.h>

#include "common/base/attr.h"
#include "common/base/genesis.h"
#include "common/edge/loop.h"
#include "services/mempoold/mempool.h"

struct verify;

enum { VERIFY_JOB_COUNT_MAX = 32 }; /* bodies of one job: about a millisecond of work */

struct verify_options {
    uint32_t thread_count;
    const struct genesis *genesis;                                    /* outlives the checks */
    void (*done)(void *context, const struct mempool_checks *checks); /* checks are borrowed for the call */
    void *context;
};

/* Returns 0, -ENOMEM or the errors of workers_new(). */
MUST_USE int verify_new(struct verify **out, struct loop *loop, const struct verify_options *options);
/* Ends the threads; what is not done is forgotten. Accepts NULL and pointer to NULL; leaves *self NULL. */
void verify_destroy(struct verify **self);

/* Begin to verify. Without memory, or with too much waiting, some are not verified (that is logged): what needs them is
 * given up in its time. */
void verify_submit(struct verify *self, const struct mempool_checks *checks);
