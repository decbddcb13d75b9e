/* mail.c - the queue of what will happen, and the network that fills it. */
#include "tests/sim/cluster_state.h"

static bool mail_before(const struct mail *a, const struct mail *b)
{
    return a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->order < b->order;
}

void mail_put(struct cluster *self, const struct mail *mail)
{
    if (self->mail_count == self->mail_capacity) {
        self->mail_capacity = self->mail_capacity ? self->mail_capacity * 2 : 1024;
        self->mail = must(realloc(self->mail, self->mail_capacity * sizeof *self->mail));
    }
    struct mail added = *mail;
    added.order = self->mail_order++;
    size_t at = self->mail_count++;
    while (at > 0 && mail_before(&added, &self->mail[(at - 1) / 2])) {
        self->mail[at] = self->mail[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    self->mail[at] = added;
}

struct mail mail_take(struct cluster *self)
{
    struct mail first = self->mail[0];
    struct mail last = self->mail[--self->mail_count];
    size_t at = 0;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= self->mail_count)
            break;
        if (child + 1 < self->mail_count && mail_before(&self->mail[child + 1], &self->mail[child]))
            child++;
        if (!mail_before(&self->mail[child], &last))
            break;
        self->mail[at] = self->mail[child];
        at = child;
    }
    self->mail[at] = last;
    return first;
}

struct parcel *parcel_new(const struct consensus_event *event)
{
    struct parcel *parcel = must(malloc(sizeof *parcel));
    parcel->references = 1;
    parcel->event = *event;
    parcel->tx_ids = NULL;
    parcel->height_first = 0;
    parcel->certified = NULL;
    parcel->certified_count = 0;
    return parcel;
}

void parcel_release(struct parcel **parcel)
{
    struct parcel *old = *parcel;
    *parcel = NULL;
    if (!old || --old->references > 0)
        return;
    free(old->tx_ids);
    free(old->certified);
    free(old);
}

void mail_self(struct cluster *self, enum mail_type type, uint32_t to, uint64_t delay_ms, struct parcel *parcel)
{
    const struct node *node = &self->nodes[to];
    struct mail mail = {.at_ms = self->now_ms + delay_ms,
                        .type = type,
                        .from = to,
                        .to = to,
                        .life = node->life,
                        .executor_life = node->executor_life,
                        .tick = node->tick,
                        .parcel = parcel};
    mail_put(self, &mail);
}

static void deliver(struct cluster *self, enum mail_type type, uint32_t from, uint32_t to, struct parcel *parcel,
                    uint64_t late_ms)
{
    const struct link *link = &self->links[from][to];
    if (link->cut || random_chance(self, self->options.loss_ppm))
        return;
    uint64_t spread = self->options.delay_ms_max - self->options.delay_ms_min + 1;
    uint64_t at_ms = self->now_ms + self->options.delay_ms_min + random_below(self, spread) + late_ms;
    if (at_ms < link->clogged_until_ms)
        at_ms = link->clogged_until_ms;
    struct mail mail = {.at_ms = at_ms, .type = type, .from = from, .to = to, .parcel = parcel};
    parcel->references++;
    mail_put(self, &mail);
}

void mail_send(struct cluster *self, enum mail_type type, uint32_t from, uint32_t to, struct parcel *parcel)
{
    if (to == from || to >= self->options.validator_count)
        return;
    deliver(self, type, from, to, parcel, 0);
    if (random_chance(self, self->options.duplicate_ppm))
        deliver(self, type, from, to, parcel, random_below(self, self->late_ms_max + 1));
}

void mail_broadcast(struct cluster *self, uint32_t from, struct parcel *parcel)
{
    for (uint32_t to = 0; to < self->options.validator_count; to++)
        mail_send(self, MAIL_CONSENSUS, from, to, parcel);
}

static const struct qc *take_qc(struct parcel *parcel, const struct qc *qc)
{
    parcel->qc = *qc;
    return &parcel->qc;
}

static const struct tc *take_tc(struct parcel *parcel, const struct tc *tc)
{
    if (!tc)
        return NULL;
    parcel->tc = *tc;
    return &parcel->tc;
}

static void take_proposal(struct parcel *parcel, const struct consensus_proposal *proposal)
{
    struct consensus_proposal *copy = &parcel->event.u.proposal;
    *copy = *proposal;
    copy->justify = take_qc(parcel, proposal->justify);
    copy->tc = take_tc(parcel, proposal->tc);
    size_t size = proposal->header.tx_count * sizeof *proposal->tx_ids;
    if (size > 0)
        parcel->tx_ids = memcpy(must(malloc(size)), proposal->tx_ids, size);
    copy->tx_ids = parcel->tx_ids;
}

struct parcel *mail_parcel_of(const struct consensus_effect *effect)
{
    struct consensus_event event = {0};
    struct parcel *parcel = parcel_new(&event);
    switch ((int)effect->type) {
    case CONSENSUS_SEND_PROPOSAL:
        parcel->event.type = CONSENSUS_PROPOSAL;
        take_proposal(parcel, &effect->u.proposal);
        break;
    case CONSENSUS_SEND_VOTE:
        parcel->event.type = CONSENSUS_VOTE;
        parcel->event.u.vote = effect->u.vote;
        break;
    case CONSENSUS_SEND_TIMEOUT:
        parcel->event.type = CONSENSUS_TIMEOUT;
        parcel->event.u.timeout = effect->u.timeout;
        parcel->event.u.timeout.high_qc = take_qc(parcel, effect->u.timeout.high_qc);
        break;
    case CONSENSUS_SEND_NEW_VIEW:
        parcel->event.type = CONSENSUS_NEW_VIEW;
        parcel->event.u.new_view = take_tc(parcel, effect->u.new_view);
        break;
    case CONSENSUS_SEND_HEARTBEAT:
        parcel->event.type = CONSENSUS_HEARTBEAT;
        parcel->event.u.heartbeat = effect->u.heartbeat;
        parcel->event.u.heartbeat.high_qc = take_qc(parcel, effect->u.heartbeat.high_qc);
        parcel->event.u.heartbeat.high_tc = take_tc(parcel, effect->u.heartbeat.high_tc);
        break;
    case CONSENSUS_SEND_EVIDENCE:
        parcel->event.type = CONSENSUS_EVIDENCE;
        parcel->evidence = *effect->u.evidence;
        parcel->event.u.evidence = &parcel->evidence;
        break;
    default:
        abort(); /* a message that the simulation does not know */
    }
    return parcel;
}
