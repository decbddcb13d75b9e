/* cluster_control.c - what a scenario does to a cluster, and what it sees of it. */
#include <stdio.h>

#include "tests/sim/cluster_state.h"

static uint32_t add_tx(struct cluster *self)
{
    uint32_t index = self->tx_count;
    self->txs[index] = hash_of2(span_text("simulated transaction"), span_of(&index, sizeof index));
    self->submitted_ms[index] = self->now_ms;
    self->tx_count++;
    if (map_put(self->tx_index, &self->txs[index], (void *)(uintptr_t)self->tx_count) < 0)
        abort();
    return index;
}

static void tell_pools(struct cluster *self)
{
    for (uint32_t i = 0; i < self->options.validator_count; i++) {
        if (self->nodes[i].core)
            pool_tell(self, i);
    }
}

void cluster_submit(struct cluster *self, uint32_t count)
{
    for (uint32_t i = 0; i < count && self->tx_count < TXS_MAX; i++)
        add_tx(self);
    tell_pools(self);
}

static void pair(struct cluster *self, uint32_t a, uint32_t b)
{
    self->twins[a] = b + 1;
    self->twins[b] = a + 1;
    self->pair_count++;
}

void cluster_submit_pairs(struct cluster *self, uint32_t count)
{
    for (uint32_t i = 0; i < count && self->tx_count + 1 < TXS_MAX; i++) {
        uint32_t first = add_tx(self);
        pair(self, first, add_tx(self));
    }
    tell_pools(self);
}

void cluster_submit_dead(struct cluster *self, uint32_t validator, uint32_t count)
{
    for (uint32_t used = 0; used < self->tx_count && count > 0 && self->tx_count < TXS_MAX; used++) {
        if (self->twins[used] > 0 || !self->nodes[0].done[used])
            continue;
        uint32_t dead = add_tx(self);
        pair(self, used, dead);
        count--;
        for (uint32_t i = 0; i < self->options.validator_count; i++) {
            struct node *node = &self->nodes[i];
            node->gone[dead] = validator < self->options.validator_count && i != validator;
            node->gone_txs += node->gone[dead];
        }
    }
    tell_pools(self);
}

bool cluster_is_up(const struct cluster *self, uint32_t validator)
{
    return self->nodes[validator].core != NULL;
}

bool cluster_is_liar(const struct cluster *self, uint32_t validator)
{
    return self->nodes[validator].liar;
}

void cluster_cut_one_way(struct cluster *self, uint32_t from, uint32_t to, bool cut)
{
    self->links[from][to].cut = cut;
}

void cluster_cut(struct cluster *self, uint32_t a, uint32_t b, bool cut)
{
    cluster_cut_one_way(self, a, b, cut);
    cluster_cut_one_way(self, b, a, cut);
}

void cluster_clog(struct cluster *self, uint32_t from, uint32_t to, uint64_t duration_ms)
{
    self->links[from][to].clogged_until_ms = self->now_ms + duration_ms;
}

void cluster_mend(struct cluster *self)
{
    memset(self->links, 0, sizeof self->links);
}

void cluster_set_loss(struct cluster *self, uint32_t loss_ppm)
{
    self->options.loss_ppm = loss_ppm;
}

void cluster_set_duplicates(struct cluster *self, uint32_t duplicate_ppm, uint64_t late_ms_max)
{
    self->options.duplicate_ppm = duplicate_ppm;
    self->late_ms_max = late_ms_max;
}

void cluster_set_delay(struct cluster *self, uint64_t min_ms, uint64_t max_ms)
{
    self->options.delay_ms_min = min_ms;
    self->options.delay_ms_max = max_ms;
}

void cluster_set_disk(struct cluster *self, uint32_t validator, uint64_t write_ms_max)
{
    self->nodes[validator].disk.write_ms_max = write_ms_max;
}

void cluster_set_executor(struct cluster *self, uint32_t validator, uint64_t execute_ms_max, uint32_t fail_ppm)
{
    self->nodes[validator].execute_ms_max = execute_ms_max;
    self->nodes[validator].build_fail_ppm = fail_ppm;
}

void cluster_reset_executor(struct cluster *self, uint32_t validator)
{
    struct node *node = &self->nodes[validator];
    if (!node->core)
        return;
    node->executor_life++;
    struct consensus_event event = {.type = CONSENSUS_EXECUTOR_RESET};
    mail_self(self, MAIL_EXECUTED, validator, 0, parcel_new(&event));
}

void cluster_set_wall_skew(struct cluster *self, uint32_t validator, int64_t skew_ms)
{
    self->nodes[validator].wall_skew_ms = skew_ms;
}

uint64_t cluster_now_ms(const struct cluster *self)
{
    return self->now_ms;
}

uint64_t cluster_height(const struct cluster *self, uint32_t validator)
{
    return self->nodes[validator].height;
}

uint64_t cluster_committed_txs(const struct cluster *self, uint32_t validator)
{
    return self->nodes[validator].committed_txs;
}

uint64_t cluster_evidence(const struct cluster *self)
{
    return self->evidence_count;
}

bool cluster_leads(const struct cluster *self, uint32_t validator, uint32_t candidate)
{
    const struct schedule *schedule = model_schedule(self, &self->nodes[validator].root_id);
    for (uint32_t i = 0; i < schedule->count; i++) {
        if (schedule->leaders[i] == candidate)
            return true;
    }
    return false;
}

uint64_t cluster_timeouts(const struct cluster *self, uint32_t validator)
{
    struct consensus_status status = {0};
    if (self->nodes[validator].core)
        consensus_status(self->nodes[validator].core, &status);
    return status.counters.timeouts_sent;
}

uint64_t cluster_talk(const struct cluster *self, uint32_t validator)
{
    return self->nodes[validator].talk;
}

uint64_t cluster_view(const struct cluster *self, uint32_t validator)
{
    struct consensus_status status = {0};
    if (self->nodes[validator].core)
        consensus_status(self->nodes[validator].core, &status);
    return status.view;
}

bool cluster_is_settled(const struct cluster *self)
{
    for (uint32_t i = 0; i < self->options.validator_count; i++) {
        const struct node *node = &self->nodes[i];
        if (node->core && !node->liar &&
            (pool_waiting(self, i) > 0 || node->committed_txs != self->tx_count - self->pair_count))
            return false;
    }
    return true;
}

const char *cluster_violation(const struct cluster *self)
{
    return self->violation;
}

uint64_t cluster_settle(struct cluster *self, uint64_t limit_ms)
{
    uint64_t start_ms = self->now_ms;
    while (!cluster_is_settled(self) && self->now_ms - start_ms < limit_ms && self->violation[0] == '\0')
        cluster_run(self, 10);
    return cluster_is_settled(self) && self->violation[0] == '\0' ? self->now_ms - start_ms : UINT64_MAX;
}

uint64_t cluster_fingerprint(const struct cluster *self)
{
    return self->fingerprint;
}

uint64_t cluster_steps(const struct cluster *self)
{
    return self->steps;
}

void cluster_print(const struct cluster *self)
{
    for (uint32_t i = 0; i < self->options.validator_count; i++) {
        const struct node *node = &self->nodes[i];
        struct consensus_status status = {0};
        if (node->core)
            consensus_status(node->core, &status);
        fprintf(stderr,
                "validator %u up=%d liar=%d height=%" PRIu64 " txs=%" PRIu64 "/%u waiting=%u view=%" PRIu64
                " leader=%u voted=%" PRIu64 " high_qc=%" PRIu64 "@%" PRIu64 " blocks=%u behind=%d timeouts=%" PRIu64
                " bad=%" PRIu64 " stale=%" PRIu64 " ahead=%" PRIu64 " unlinked=%" PRIu64 "\n",
                i, node->core != NULL, node->liar, node->height, node->committed_txs, self->tx_count,
                pool_waiting(self, i), status.view, status.leader, status.last_voted_view, status.high_qc_view,
                status.high_qc_height, status.blocks_held, status.behind, status.counters.timeouts_sent,
                status.counters.dropped_bad, status.counters.dropped_stale, status.counters.dropped_ahead,
                status.counters.dropped_unlinked);
    }
}
