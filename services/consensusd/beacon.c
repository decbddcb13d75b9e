/* beacon.c - on a LAN a validator calls out where it is, and hears others: CONSENSUS_BEACON.
 *
 * A datagram is a signed record and nothing else; it goes the way of every record, so who hears a beacon trusts the
 * signature and not the network. Anybody can send datagrams: they are bounded, and no more than a certain number a
 * second is looked at.
 */
#include <errno.h>
#include <string.h>

#include <sodium.h>

#include "common/base/err.h"
#include "services/consensusd/consensusd_state.h"

enum {
    CALL_MS_MIN = 2000,
    CALL_MS_JITTER = 2000, /* so that validators started together do not call together */
    DATAGRAMS_MAX = 32,    /* per wake-up */
    DATAGRAMS_PER_SECOND = 200,
};

static void call_out(void *context);

static void call_again(struct consensusd *self)
{
    uint32_t delay_ms = CALL_MS_MIN + randombytes_uniform(CALL_MS_JITTER);
    int rc = loop_timer_once(self->loop, delay_ms, call_out, self, NULL);
    if (rc < 0)
        consensusd_stop(self, rc, "arm the beacon's timer");
}

static void call_out(void *context)
{
    struct consensusd *self = context;
    uint8_t record[PEER_RECORD_BYTES_MAX];
    size_t size = peerbook_record(self->book, self->self, record);
    int rc = size > 0 ? udp_send(&self->beacon, span_of(record, size)) : 0;
    if (rc < 0)
        log_limited(&self->beacon_limit, LOG_LEVEL_WARN, "beacon.unsent", "address=%s error=\"%s\"",
                    LOG_QUOTE_TEXT(self->config->beacon), err_text(rc));
    call_again(self);
}

static void on_datagram(void *context)
{
    struct consensusd *self = context;
    for (uint32_t i = 0; i < DATAGRAMS_MAX; i++) {
        uint8_t datagram[PEER_RECORD_BYTES_MAX];
        size_t size = 0;
        int rc = udp_receive(&self->beacon, datagram, sizeof datagram, &size);
        if (rc == -EAGAIN)
            return;
        if (rc < 0 || !bucket_take(&self->beacon_bucket, 1, loop_now_ms()))
            metrics_add(self->metrics, CONSENSUSD_METRIC_BEACONS_DROPPED, 1);
        else
            peering_on_beacon(self, span_of(datagram, size));
    }
}

int beacon_open(struct consensusd *self)
{
    self->beacon.fd = -1;
    if (!self->config->beacon)
        return 0;
    int rc = udp_parse(&self->beacon, self->config->beacon);
    rc = rc == 0 ? udp_open(&self->beacon) : rc;
    if (rc < 0) {
        log_error("beacon.refused", "address=%s error=\"%s\"", LOG_QUOTE_TEXT(self->config->beacon), err_text(rc));
        return log_failure(rc, "open CONSENSUS_BEACON");
    }
    self->beacon_bucket = bucket_of(DATAGRAMS_PER_SECOND, DATAGRAMS_PER_SECOND, loop_now_ms());
    rc = loop_fd_add(self->loop, self->beacon.fd, on_datagram, self);
    if (rc == 0)
        call_out(self);
    return rc;
}

void beacon_close(struct consensusd *self)
{
    if (self->beacon.fd >= 0)
        loop_fd_remove(self->loop, self->beacon.fd);
    udp_close(&self->beacon);
}
