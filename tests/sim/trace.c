/* trace.c - a run in words: one line per event and effect. */
#include <stdio.h>

#include "tests/sim/cluster_state.h"

static const char *const event_names[] = {
    [CONSENSUS_TICK] = "TICK",
    [CONSENSUS_PROPOSAL] = "PROPOSAL",
    [CONSENSUS_VOTE] = "VOTE",
    [CONSENSUS_TIMEOUT] = "TIMEOUT",
    [CONSENSUS_NEW_VIEW] = "NEW_VIEW",
    [CONSENSUS_HEARTBEAT] = "HEARTBEAT",
    [CONSENSUS_EVIDENCE] = "EVIDENCE",
    [CONSENSUS_SYNCED] = "SYNCED",
    [CONSENSUS_RESTORED] = "RESTORED",
    [CONSENSUS_BUILT] = "BUILT",
    [CONSENSUS_BUILD_FAILED] = "BUILD_FAILED",
    [CONSENSUS_CHECKED] = "CHECKED",
    [CONSENSUS_RECHECKED] = "RECHECKED",
    [CONSENSUS_POOL] = "POOL",
    [CONSENSUS_EXECUTOR_RESET] = "EXECUTOR_RESET",
};

static void start(const struct cluster *self, uint32_t node, const char *arrow, const char *name)
{
    printf("%8" PRIu64 " v%" PRIu32 "%s %s %s", self->now_ms, node, self->nodes[node].liar ? "!" : " ", arrow, name);
}

static void print_id(const char *name, const struct hash *id)
{
    printf(" %s=%02x%02x%02x", name, id->bytes[0], id->bytes[1], id->bytes[2]);
}

static void print_qc(const struct qc *qc)
{
    printf(" qc=%" PRIu64 "@%" PRIu64, qc->view, qc->height);
    print_id("of", &qc->block_id);
}

static void print_proposal(const struct consensus_proposal *proposal)
{
    struct hash id = block_id(&proposal->header);
    printf(" view=%" PRIu64 " height=%" PRIu64 " txs=%" PRIu32, proposal->header.view, proposal->header.height,
           proposal->header.tx_count);
    print_id("id", &id);
    print_qc(proposal->justify);
    if (proposal->tc)
        printf(" tc=%" PRIu64, proposal->tc->view);
}

void trace_event(const struct cluster *self, uint32_t node, const struct consensus_event *event)
{
    if ((size_t)event->type >= ARRAY_COUNT(event_names) || !event_names[event->type])
        abort();
    start(self, node, "<-", event_names[event->type]);
    if (event->type >= CONSENSUS_PROPOSAL && event->type <= CONSENSUS_SYNCED)
        printf(" from=v%" PRIu32, event->sender);
    switch ((int)event->type) {
    case CONSENSUS_PROPOSAL:
        print_proposal(&event->u.proposal);
        break;
    case CONSENSUS_VOTE:
        printf(" view=%" PRIu64, event->u.vote.view);
        print_id("id", &event->u.vote.block_id);
        break;
    case CONSENSUS_TIMEOUT:
        printf(" view=%" PRIu64, event->u.timeout.view);
        print_qc(event->u.timeout.high_qc);
        break;
    case CONSENSUS_NEW_VIEW:
        printf(" tc=%" PRIu64, event->u.new_view->view);
        break;
    case CONSENSUS_HEARTBEAT:
        printf(" view=%" PRIu64, event->u.heartbeat.view);
        print_qc(event->u.heartbeat.high_qc);
        break;
    case CONSENSUS_SYNCED:
        printf(" count=%zu", event->u.synced.count);
        break;
    case CONSENSUS_BUILT:
        printf(" view=%" PRIu64 " txs=%" PRIu32, event->u.built.view, event->u.built.header.tx_count);
        break;
    case CONSENSUS_CHECKED:
        print_id("id", &event->u.checked.block_id);
        printf(" ok=%d", event->u.checked.ok);
        break;
    default:
        break;
    }
    putchar('\n');
}

static void trace_local(const struct consensus_effect *effect)
{
    switch ((int)effect->type) {
    case CONSENSUS_PERSIST:
        printf(" last_voted=%" PRIu64 " high_qc=%" PRIu64, effect->u.persist.voting->last_voted_view,
               effect->u.persist.voting->high_qc.view);
        break;
    case CONSENSUS_BUILD:
        printf(" view=%" PRIu64 " height=%" PRIu64, effect->u.build.view, effect->u.build.height);
        break;
    case CONSENSUS_CHECK:
        print_id("id", &effect->u.check.block_id);
        break;
    case CONSENSUS_COMMIT:
        printf(" height=%" PRIu64, effect->u.commit.header.height);
        print_id("id", &effect->u.commit.block_id);
        break;
    case CONSENSUS_SYNC:
        printf(" peer=v%" PRIu32 " height=%" PRIu64, effect->u.sync.peer, effect->u.sync.height_first);
        break;
    case CONSENSUS_FORGET:
        print_id("id", &effect->u.forget);
        break;
    default:
        break;
    }
}

void trace_effect(const struct cluster *self, uint32_t node, const struct consensus_effect *effect)
{
    static const char *const names[] = {
        [CONSENSUS_PERSIST] = "PERSIST",
        [CONSENSUS_SEND_PROPOSAL] = "SEND_PROPOSAL",
        [CONSENSUS_SEND_VOTE] = "SEND_VOTE",
        [CONSENSUS_SEND_TIMEOUT] = "SEND_TIMEOUT",
        [CONSENSUS_SEND_NEW_VIEW] = "SEND_NEW_VIEW",
        [CONSENSUS_SEND_HEARTBEAT] = "SEND_HEARTBEAT",
        [CONSENSUS_SEND_EVIDENCE] = "SEND_EVIDENCE",
        [CONSENSUS_BUILD] = "BUILD",
        [CONSENSUS_CHECK] = "CHECK",
        [CONSENSUS_RECHECK] = "RECHECK",
        [CONSENSUS_COMMIT] = "COMMIT",
        [CONSENSUS_SYNC] = "SYNC",
        [CONSENSUS_FORGET] = "FORGET",
    };
    if ((size_t)effect->type >= ARRAY_COUNT(names) || !names[effect->type])
        abort();
    start(self, node, "->", names[effect->type]);
    if (effect->type == CONSENSUS_SEND_PROPOSAL)
        print_proposal(&effect->u.proposal);
    else if (effect->type == CONSENSUS_SEND_VOTE)
        printf(" view=%" PRIu64, effect->u.vote.view);
    else if (effect->type == CONSENSUS_SEND_TIMEOUT)
        printf(" view=%" PRIu64 " qc=%" PRIu64, effect->u.timeout.view, effect->u.timeout.high_qc->view);
    else
        trace_local(effect);
    putchar('\n');
}

void trace_note(const struct cluster *self, uint32_t node, const char *what, uint64_t number)
{
    start(self, node, "**", what);
    printf(" %" PRIu64 "\n", number);
}
