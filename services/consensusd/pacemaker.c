/* pacemaker.c - the clock of a view.
 *
 * The timer of a view is T x 1.5^k, at most 60 s, where k counts the timeouts since the last view that ended with a
 * certificate, and T is the smoothed view time + 4 x its deviation, between view_timeout_min_ms and
 * view_timeout_max_ms, view_timeout_initial_ms until 8 views were measured. It runs only while there is work: an
 * uncommitted block with transactions (chain_has_work() says which), or a pooled transaction that has waited T and that
 * the executor, asked then, would still execute on the highest certificate's block. On expiry: sign, broadcast and arm
 * again. At N - quorum + 1 timeouts of a view, and not before, a validator times out too, work or no work.
 */
#include "services/consensusd/consensus_state.h"

#include <assert.h>

enum {
    MEASURED_VIEWS_MIN = 8,
    TIMER_MS_MAX = 60000,
    BACKOFF_STEPS_MAX = 16,
    RECHECK_RETRY_MS = 1000,
};

uint64_t pacemaker_view_timeout_ms(const struct consensus *self)
{
    const struct genesis_parameters *limits = &self->genesis->parameters;
    if (self->measured_views < MEASURED_VIEWS_MIN)
        return limits->view_timeout_initial_ms;
    uint64_t timeout_ms = (self->view_time_us + 4 * self->view_deviation_us + 999) / 1000;
    if (timeout_ms < limits->view_timeout_min_ms)
        return limits->view_timeout_min_ms;
    return timeout_ms < limits->view_timeout_max_ms ? timeout_ms : limits->view_timeout_max_ms;
}

static uint64_t timer_ms(const struct consensus *self)
{
    uint64_t duration_ms = pacemaker_view_timeout_ms(self);
    for (uint32_t k = 0; k < self->timeouts_in_row && k < BACKOFF_STEPS_MAX && duration_ms < TIMER_MS_MAX; k++)
        duration_ms = duration_ms * 3 / 2;
    return duration_ms < TIMER_MS_MAX ? duration_ms : TIMER_MS_MAX;
}

static bool holds_work(const struct block *block)
{
    return block->parent && block->header.tx_count > 0 && block->state != BLOCK_REFUSED;
}

/* A block that was executed here, one of this view, or one that the next proposal stands on; and a chain that does not
 * prove yet what is final. A past view's block whose transactions never came is not: no leader proposes anything for
 * it, so the clock would run for ever. Where the highest certificate's block is not here yet, any block is work. */
static bool chain_has_work(const struct consensus *self)
{
    const struct block *certified = blocktree_find(self->tree, &self->voting.high_qc.block_id);
    for (const struct block *block = blocktree_first(self->tree); block; block = block->next) {
        if (holds_work(block) && (!certified || block->state == BLOCK_VALID || block->header.view >= self->view))
            return true;
    }
    for (const struct block *block = certified; block; block = block->parent) {
        if (holds_work(block))
            return true;
    }
    return propose_chain_is_open(self);
}

/* As RFC 6298 smooths round trips, in microseconds. */
static void measure(struct consensus *self, uint64_t sample_ms)
{
    uint64_t sample_us = sample_ms * 1000;
    if (self->measured_views++ == 0) {
        self->view_time_us = sample_us;
        self->view_deviation_us = sample_us / 2;
        return;
    }
    uint64_t error_us =
        sample_us > self->view_time_us ? sample_us - self->view_time_us : self->view_time_us - sample_us;
    self->view_deviation_us = (3 * self->view_deviation_us + error_us) / 4;
    self->view_time_us = (7 * self->view_time_us + sample_us) / 8;
}

void pacemaker_view_entered(struct consensus *self, bool by_certificate)
{
    if (by_certificate) {
        self->timeouts_in_row = 0;
        if (self->work_since_ms != NEVER_MS)
            measure(self, self->now_ms - self->work_since_ms);
    }
    self->view_entered_ms = self->now_ms;
    self->work_since_ms = NEVER_MS;
    self->pool_live = false;
    self->recheck_ms = 0;
    self->build_retry_ms = 0;
}

static uint32_t waiting_txs(const struct consensus *self)
{
    uint32_t inflight = propose_inflight_txs(self);
    return self->pool.tx_count > inflight ? self->pool.tx_count - inflight : 0;
}

/* Starts and stops the view's clock. */
static void look_for_work(struct consensus *self)
{
    bool work = chain_has_work(self) || (self->pool_live && waiting_txs(self) > 0);
    if (!work) {
        self->work_since_ms = NEVER_MS;
    } else if (self->work_since_ms == NEVER_MS) {
        self->work_since_ms = self->now_ms;
        self->timer_start_ms = self->now_ms;
    }
}

static bool has_timed_out(const struct consensus *self)
{
    return self->voting.has_timeout && self->voting.timeout_view == self->view;
}

/* When a pooled transaction has waited T and nothing else keeps the clock running. Also when the view has timed out
 * here: a liar that shows one validator alone a block without its transactions keeps that one's clock running. */
static uint64_t recheck_due_ms(const struct consensus *self)
{
    bool runs = self->work_since_ms != NEVER_MS && !has_timed_out(self);
    if (runs || waiting_txs(self) == 0)
        return NEVER_MS;
    const struct block *block = blocktree_find(self->tree, &self->voting.high_qc.block_id);
    if (!block || block->state != BLOCK_VALID)
        return NEVER_MS;
    uint64_t waited_ms = self->pool.oldest_ms + pacemaker_view_timeout_ms(self);
    return waited_ms > self->recheck_ms ? waited_ms : self->recheck_ms;
}

static void recheck(struct consensus *self)
{
    if (self->now_ms < recheck_due_ms(self))
        return;
    const struct block *parent = blocktree_find(self->tree, &self->voting.high_qc.block_id);
    struct consensus_effect *effect = consensus_effect_add(self, CONSENSUS_RECHECK);
    if (!effect)
        return;
    uint64_t after_parent = parent->header.timestamp_ms + 1;
    effect->u.recheck.parent_id = parent->id;
    effect->u.recheck.timestamp_ms = self->wall_ms > after_parent ? self->wall_ms : after_parent;
    self->recheck_ms = self->now_ms + RECHECK_RETRY_MS;
}

/* What would have been executed on an older block may be in a newer one by now: such an answer means nothing. */
void pacemaker_rechecked(struct consensus *self, const struct hash *parent_id, uint32_t live_count)
{
    if (!hash_equal(parent_id, &self->voting.high_qc.block_id))
        return;
    self->pool_live = live_count > 0;
    look_for_work(self);
}

void pacemaker_pool_changed(struct consensus *self)
{
    if (self->pool.tx_count == 0)
        self->pool_live = false;
    look_for_work(self);
}

/* What the view's certificate waited for. */
static enum consensus_timeout_reason timeout_reason(const struct consensus *self)
{
    enum consensus_timeout_reason reason = CONSENSUS_TIMEOUT_NO_PROPOSAL;
    for (const struct block *block = blocktree_first(self->tree); block; block = block->next) {
        if (block->header.view != self->view)
            continue;
        if (block->state == BLOCK_VALID)
            return CONSENSUS_TIMEOUT_NO_CERTIFICATE;
        reason = block->state == BLOCK_REFUSED ? CONSENSUS_TIMEOUT_REFUSED : CONSENSUS_TIMEOUT_NO_PAYLOAD;
    }
    return reason;
}

/* A timeout for view v is signed with the highest QC's view, only if v >= last_voted_view; it sets last_voted_view. */
static void time_out(struct consensus *self, enum consensus_timeout_reason reason)
{
    struct consensus_voting *voting = &self->voting;
    if (self->view < voting->last_voted_view)
        return;
    if (silence_holds(self))
        return;
    struct consensus_effect *effect = consensus_effect_add(self, CONSENSUS_SEND_TIMEOUT);
    if (!effect)
        return;
    self->effect_count--; /* PERSIST goes first */
    voting->last_voted_view = self->view;
    voting->has_timeout = true;
    voting->timeout_view = self->view;
    voting->timeout_high_qc_view = voting->high_qc.view;
    consensus_persist(self, NULL);
    effect = consensus_effect_add(self, CONSENSUS_SEND_TIMEOUT);
    if (!effect)
        return;
    self->timeout_qc = voting->high_qc;
    effect->u.timeout = (struct consensus_timeout){.view = self->view, .high_qc = &self->timeout_qc};
    uint8_t message[CERT_TIMEOUT_BYTES];
    cert_timeout_bytes(message, &self->genesis->chain_id, self->view, voting->high_qc.view);
    sign_message(&effect->u.timeout.signature, &self->key, span_of(message, sizeof message));
    self->counters.timeouts_sent++;
    self->counters.timeout_reasons[reason]++;
    struct tally_view *slot = tally_at(self->tally, self->view);
    assert(slot);
    struct tally_timeout *own = &slot->timeouts[self->self];
    slot->timeout_count += own->known ? 0 : 1;
    *own = (struct tally_timeout){.known = true,
                                  .verified = true,
                                  .high_qc_view = voting->high_qc.view,
                                  .signature = effect->u.timeout.signature};
    if (voting->high_qc.view >= slot->best_qc.view)
        slot->best_qc = voting->high_qc;
    certificate_form_tc(self, self->view);
}

void pacemaker_on_timeout(struct consensus *self, const struct consensus_event *event)
{
    const struct consensus_timeout *timeout = &event->u.timeout;
    uint64_t high_tc_view = self->voting.has_tc ? self->voting.high_tc.view : 0;
    if (timeout->view <= high_tc_view || timeout->view <= self->voting.high_qc.view) {
        self->counters.dropped_stale++;
        return;
    }
    if (timeout->view > self->view + CONSENSUS_VIEWS_AHEAD_MAX) {
        self->counters.dropped_ahead++;
        return;
    }
    uint64_t qc_view = timeout->high_qc->view;
    if (qc_view >= timeout->view ||
        !certificate_timeout_valid(self, event->sender, timeout->view, qc_view, &timeout->signature) ||
        !certificate_qc_valid(self, timeout->high_qc)) {
        self->counters.dropped_bad++;
        return;
    }
    certificate_take_qc(self, timeout->high_qc);
    struct tally_view *slot = tally_at(self->tally, timeout->view);
    if (!slot)
        return;
    struct tally_timeout *entry = &slot->timeouts[event->sender];
    /* A validator that times out again may know a higher certificate: its newest word counts. */
    slot->timeout_count += entry->known ? 0 : 1;
    if (!entry->known || qc_view >= entry->high_qc_view)
        *entry = (struct tally_timeout){
            .known = true, .verified = true, .high_qc_view = qc_view, .signature = timeout->signature};
    if (qc_view >= slot->best_qc.view)
        slot->best_qc = *timeout->high_qc;
    catchup_hint(self, event->sender);
    uint32_t join_count = self->genesis->validator_count - self->quorum + 1;
    bool joined = slot->timeouts[self->self].known;
    if (timeout->view == self->view && !joined && slot->timeout_count >= join_count) {
        self->timer_start_ms = self->now_ms;
        self->timeouts_in_row++;
        time_out(self, CONSENSUS_TIMEOUT_JOINED);
    }
    certificate_form_tc(self, timeout->view);
}

static void send_heartbeat(struct consensus *self)
{
    struct consensus_effect *effect = consensus_effect_add(self, CONSENSUS_SEND_HEARTBEAT);
    if (!effect)
        return;
    self->heartbeat_ms = self->now_ms + CONSENSUS_HEARTBEAT_MS;
    self->heartbeat_qc = self->voting.high_qc;
    struct consensus_heartbeat *heartbeat = &effect->u.heartbeat;
    *heartbeat = (struct consensus_heartbeat){.view = self->view,
                                              .high_qc = &self->heartbeat_qc,
                                              .committed_height = blocktree_root(self->tree)->header.height};
    if (self->voting.has_tc && self->voting.high_tc.view > self->voting.high_qc.view) {
        self->heartbeat_tc = self->voting.high_tc;
        heartbeat->high_tc = &self->heartbeat_tc;
    }
    uint8_t message[CERT_HEARTBEAT_BYTES];
    cert_heartbeat_bytes(message, &self->genesis->chain_id, heartbeat->view, heartbeat->high_qc->view,
                         heartbeat->committed_height);
    sign_message(&heartbeat->signature, &self->key, span_of(message, sizeof message));
}

void pacemaker_on_heartbeat(struct consensus *self, const struct consensus_event *event)
{
    const struct consensus_heartbeat *heartbeat = &event->u.heartbeat;
    uint8_t message[CERT_HEARTBEAT_BYTES];
    cert_heartbeat_bytes(message, &self->genesis->chain_id, heartbeat->view, heartbeat->high_qc->view,
                         heartbeat->committed_height);
    self->counters.signatures_verified++;
    if (sign_verify(&heartbeat->signature, &self->genesis->validators[event->sender].sign_key,
                    span_of(message, sizeof message)) != 0) {
        self->counters.dropped_bad++;
        return;
    }
    if (heartbeat->high_qc->view > self->voting.high_qc.view) {
        if (!certificate_qc_valid(self, heartbeat->high_qc)) {
            self->counters.dropped_bad++;
            return;
        }
        certificate_take_qc(self, heartbeat->high_qc);
    }
    const struct tc *tc = heartbeat->high_tc;
    if (tc && tc->view >= self->view) {
        if (!certificate_tc_valid(self, tc)) {
            self->counters.dropped_bad++;
            return;
        }
        certificate_take_tc(self, tc);
    }
    catchup_hint(self, event->sender);
}

static uint64_t timer_due_ms(const struct consensus *self)
{
    return self->work_since_ms == NEVER_MS ? NEVER_MS : self->timer_start_ms + timer_ms(self);
}

void pacemaker_tick(struct consensus *self)
{
    look_for_work(self);
    if (self->now_ms >= timer_due_ms(self)) {
        self->timer_start_ms = self->now_ms;
        self->timeouts_in_row++;
        time_out(self, timeout_reason(self));
    }
    recheck(self);
    if (self->now_ms >= self->heartbeat_ms)
        send_heartbeat(self);
}

uint64_t pacemaker_deadline_ms(const struct consensus *self)
{
    uint64_t due_ms = timer_due_ms(self);
    uint64_t recheck_ms = recheck_due_ms(self);
    if (recheck_ms < due_ms)
        due_ms = recheck_ms;
    return self->heartbeat_ms < due_ms ? self->heartbeat_ms : due_ms;
}
