/* cluster.h - N consensus cores on virtual time, network and disk, from one seed.
 *
 * The network delays, reorders, duplicates and loses; disks keep what was persisted; a validator may crash at any step
 * and come back with its disk. Execution is simulated: a block's state root is a function of its parent's and its
 * transactions. After every step the invariants are checked: no two validators commit different blocks at a height, the
 * voting state never goes back, nobody votes for two blocks in a view.
 *
 * Pure; a run is a function of its options.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/base/attr.h"

struct cluster; /* opaque */

struct cluster_options {
    uint64_t seed;
    uint32_t validator_count;
    uint64_t delay_ms_min, delay_ms_max; /* of a message */
    uint32_t loss_ppm, duplicate_ppm;    /* of messages */
};

MUST_USE int cluster_new(struct cluster **out, const struct cluster_options *options);
void cluster_destroy(struct cluster **self);

/* Put count new transactions into every running validator's pool. */
void cluster_submit(struct cluster *self, uint32_t count);
void cluster_crash(struct cluster *self, uint32_t validator);
void cluster_restart(struct cluster *self, uint32_t validator);
/* Cut (or mend) both directions between two validators. */
void cluster_cut(struct cluster *self, uint32_t a, uint32_t b, bool cut);
void cluster_set_loss(struct cluster *self, uint32_t loss_ppm);
/* Let virtual time pass. */
void cluster_run(struct cluster *self, uint64_t duration_ms);

uint64_t cluster_now_ms(const struct cluster *self);
uint64_t cluster_height(const struct cluster *self, uint32_t validator);
uint64_t cluster_committed_txs(const struct cluster *self, uint32_t validator);
uint64_t cluster_view(const struct cluster *self, uint32_t validator);
/* Every running validator has committed every submitted transaction exactly once, at the same height. */
bool cluster_is_settled(const struct cluster *self);
/* "" or the first broken invariant. */
const char *cluster_violation(const struct cluster *self);
/* Virtual ms from the last submit until all running validators committed everything; UINT64_MAX: never within limit. */
uint64_t cluster_settle(struct cluster *self, uint64_t limit_ms);

/* One line per validator on stderr: what to look at when a seed fails. */
void cluster_print(const struct cluster *self);
