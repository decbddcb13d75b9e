/* event.h - signed sample events as an AI service would publish them. Not pure: random ids. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "common/base/hash.h"
#include "common/base/sign.h"
#include "common/base/tx.h"

struct event_options {
    enum tx_kind kind;
    enum tx_alg alg;
    const struct sign_key *key;
    int64_t ts;            /* unix s */
    size_t payload_bytes;  /* of the anomaly's payload, the proof or the params, about */
    const char *refers_to; /* evidence: the id of an anomaly; NULL: none */
};

enum { EVENT_ID_BYTES = 37 };

struct event {
    uint8_t *record; /* the Kafka record's value; free() */
    size_t size;
    char id[EVENT_ID_BYTES]; /* a version-4 UUID */
    struct hash tx_id;
};

/* Make and sign an event. *out is written only on success. Returns 0 or -ENOMEM. */
MUST_USE int event_make(struct event *out, const struct event_options *options);
