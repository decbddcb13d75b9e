/* cluster.h - N consensus cores on a virtual clock, network and disk, all from one seed.
 *
 * The cores are the real ones. What stands behind their edges is modelled: a network that delays, loses, doubles,
 * reorders, cuts and clogs links of either direction; a disk that is slow and forgets at a crash what was not synced;
 * an executor that is slow, fails and restarts; clocks that drift and jump; validators that lie (liar.h). Invariants
 * are checked at every effect of an honest validator; the first that breaks stops the run.
 *
 * A run is a function of its options and calls. Threads: one owner, one cluster at a time per process.
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
    uint32_t liar_count;                 /* validators that lie, chosen by the seed */
    uint32_t lies;                       /* bits of enum lie (liar.h) */
    uint32_t epoch_blocks;               /* a schedule holds so long; 0: as the genesis file's default says */
    uint32_t clock_drift_ppt_max;        /* of each validator's clock, parts per thousand, either way */
    bool trace;                          /* one line per event and effect on stdout */
};

MUST_USE int cluster_new(struct cluster **out, const struct cluster_options *options);
void cluster_destroy(struct cluster **self);

/* Put count new transactions into every running validator's pool. */
void cluster_submit(struct cluster *self, uint32_t count);
/* The same with pairs of one nonce: of each exactly one is executed. */
void cluster_submit_pairs(struct cluster *self, uint32_t count);
/* Transactions whose nonces are used already, in the pool of one validator alone; validator_count: in every pool. At
 * most as many as there are committed ones that have no twin yet. */
void cluster_submit_dead(struct cluster *self, uint32_t validator, uint32_t count);

/* What was not synced is lost; of a write under way the disk has all or nothing. */
void cluster_crash(struct cluster *self, uint32_t validator);
/* Crash before one of the validator's next effects is carried out. */
void cluster_crash_at_effect(struct cluster *self, uint32_t validator, uint32_t effects_from_now);
void cluster_restart(struct cluster *self, uint32_t validator);
bool cluster_is_up(const struct cluster *self, uint32_t validator);
bool cluster_is_liar(const struct cluster *self, uint32_t validator);

/* Cut (or mend) both directions between two validators, or one. */
void cluster_cut(struct cluster *self, uint32_t a, uint32_t b, bool cut);
void cluster_cut_one_way(struct cluster *self, uint32_t from, uint32_t to, bool cut);
/* Messages of this direction wait until the clog ends. */
void cluster_clog(struct cluster *self, uint32_t from, uint32_t to, uint64_t duration_ms);
/* Mend every link, end every clog. */
void cluster_mend(struct cluster *self);
void cluster_set_loss(struct cluster *self, uint32_t loss_ppm);
void cluster_set_duplicates(struct cluster *self, uint32_t duplicate_ppm, uint64_t late_ms_max);
void cluster_set_delay(struct cluster *self, uint64_t min_ms, uint64_t max_ms);

/* A synced write takes up to this long; 0: no time. The validator does nothing else meanwhile. */
void cluster_set_disk(struct cluster *self, uint32_t validator, uint64_t write_ms_max);
/* Executions take up to this long; of builds, this part fails. */
void cluster_set_executor(struct cluster *self, uint32_t validator, uint64_t execute_ms_max, uint32_t fail_ppm);
/* The executor restarts: what it was asked is not answered, its speculative versions are gone. */
void cluster_reset_executor(struct cluster *self, uint32_t validator);
/* The validator's wall clock is this far from the true time. */
void cluster_set_wall_skew(struct cluster *self, uint32_t validator, int64_t skew_ms);

/* Let virtual time pass. */
void cluster_run(struct cluster *self, uint64_t duration_ms);

uint64_t cluster_now_ms(const struct cluster *self);
uint64_t cluster_height(const struct cluster *self, uint32_t validator);
uint64_t cluster_committed_txs(const struct cluster *self, uint32_t validator);
/* Proofs of equivocation that honest validators have told. */
uint64_t cluster_evidence(const struct cluster *self);
/* Has the candidate a turn, by the validator's committed chain? */
bool cluster_leads(const struct cluster *self, uint32_t validator, uint32_t candidate);
/* Timeouts that the validator has sent since its start. */
uint64_t cluster_timeouts(const struct cluster *self, uint32_t validator);
/* Messages sent that are no heartbeats, and questions for blocks. */
uint64_t cluster_talk(const struct cluster *self, uint32_t validator);
uint64_t cluster_view(const struct cluster *self, uint32_t validator);
/* Every running honest validator has committed every submitted transaction, and one of each pair; nothing waits in its
 * pool. */
bool cluster_is_settled(const struct cluster *self);
/* "" or the first broken invariant, with the seed. */
const char *cluster_violation(const struct cluster *self);
/* Virtual ms until cluster_is_settled(); UINT64_MAX: not within the limit, or an invariant broke. */
uint64_t cluster_settle(struct cluster *self, uint64_t limit_ms);
/* A number that any difference between two runs changes. */
uint64_t cluster_fingerprint(const struct cluster *self);
/* Events so far. */
uint64_t cluster_steps(const struct cluster *self);

/* One line per validator on stderr: what to look at when a seed fails. */
void cluster_print(const struct cluster *self);
