/* show_peers.c - metrics and status of each other validator: at most as many as the genesis file names. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "services/consensusd/consensusd_state.h"

int show_peers_metrics(struct consensusd *self)
{
    for (uint32_t i = 0; i < self->genesis->validator_count; i++)
        self->validator_names[i] = consensusd_validator_name(self, i);
    for (uint32_t i = 0; i < PEERBOOK_RESULT_COUNT; i++)
        self->record_results[i] = peerbook_result_text(i);
    memcpy(self->metric_table, consensusd_metrics, sizeof self->metric_table);
    for (size_t i = CONSENSUSD_METRIC_PEER_CONNECTED; i <= CONSENSUSD_METRIC_PEER_ROUND_TRIP; i++) {
        self->metric_table[i].label_values = self->validator_names;
        self->metric_table[i].label_count = self->genesis->validator_count;
    }
    self->metric_table[CONSENSUSD_METRIC_PEER_RECORDS].label_values = self->record_results;
    self->metric_table[CONSENSUSD_METRIC_PEER_RECORDS].label_count = PEERBOOK_RESULT_COUNT;
    return metrics_new(&self->metrics, self->metric_table, CONSENSUSD_METRIC_COUNT);
}

/* As unix time; 0: never. */
static uint64_t heard_wall_ms(const struct peer_meter *meter)
{
    return meter->heard_ms ? (uint64_t)loop_wall_ms() - (loop_now_ms() - meter->heard_ms) : 0;
}

static void show_metrics(struct consensusd *self, const struct peer *peer)
{
    const struct peer_meter *meter = &peer->meter;
    const struct {
        enum consensusd_metric metric;
        uint64_t value;
    } values[] = {
        {CONSENSUSD_METRIC_PEER_CONNECTED, peers_is_connected(peer)},
        {CONSENSUSD_METRIC_PEER_FRAMES, meter->received_count},
        {CONSENSUSD_METRIC_PEER_BYTES, meter->received_bytes},
        {CONSENSUSD_METRIC_PEER_LIMITED, meter->limited_count},
        {CONSENSUSD_METRIC_PEER_BAD, meter->bad_count},
        {CONSENSUSD_METRIC_PEER_HEARD, heard_wall_ms(meter)},
        {CONSENSUSD_METRIC_PEER_VIEW, peer->told_view},
        {CONSENSUSD_METRIC_PEER_HEIGHT, peer->told_height},
        {CONSENSUSD_METRIC_PEER_ROUND_TRIP, peer->round_trip_us},
    };
    for (size_t i = 0; i < ARRAY_COUNT(values); i++)
        metrics_set_at(self->metrics, values[i].metric, peer->index, (int64_t)values[i].value);
}

/* One line of words for `cybermeshctl peers`. */
static void show_status(struct consensusd *self, const struct peer *peer)
{
    const struct peerbook_peer *known = peerbook_peer(self->book, peer->index);
    const struct peer_meter *meter = &peer->meter;
    char name[ADMIN_NAME_BYTES_MAX], text[ADMIN_TEXT_BYTES_MAX];
    snprintf(name, sizeof name, "peer_%u", peer->index);
    snprintf(text, sizeof text,
             "name=%s connected=%d since_ms=%" PRIu64 " heard_ms=%" PRIu64 " source=%s version=%" PRIu64
             " view=%" PRIu64 " height=%" PRIu64 " round_trip_us=%" PRIu64 " retry_ms=%" PRIu32 " limited=%" PRIu64
             " bad=%" PRIu64 " gossip=%s pub=%s sync=%s",
             consensusd_validator_name(self, peer->index), peers_is_connected(peer), peer->connected_wall_ms,
             heard_wall_ms(meter), peerbook_source_text(known->source), known->held ? known->record.version : 0,
             peer->told_view, peer->told_height, peer->round_trip_us, peer->sync ? bus_socket_retry_ms(peer->sync) : 0,
             meter->limited_count, meter->bad_count, known->held ? known->record.endpoints.gossip : "",
             known->address.pub ? known->address.pub : "", known->address.sync ? known->address.sync : "");
    admin_status_set_text(self->admin, name, text);
}

void show_peers(struct consensusd *self)
{
    if (!self->book)
        return;
    for (uint32_t i = 0; i < self->genesis->validator_count; i++) {
        if (i == self->self)
            continue;
        show_metrics(self, &self->peers[i]);
        show_status(self, &self->peers[i]);
    }
    for (uint32_t i = 0; i < PEERBOOK_RESULT_COUNT; i++)
        metrics_set_at(self->metrics, CONSENSUSD_METRIC_PEER_RECORDS, i, (int64_t)peerbook_count(self->book, i));
}
