/* Any bytes as the value of a Kafka record: the first byte chooses the kind. What is read gives a body of the size that
 * was told, and reading it twice gives the same.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "services/ingestd/event_codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t *body_of(enum tx_kind kind, struct span record, size_t *size)
{
    static struct event_codec_room room;
    struct tx_fields fields;
    const char *why = NULL;
    int rc = event_codec_read(&fields, &room, kind, record, &why);
    if (rc != 0) {
        if (!why || (rc != REASON_MALFORMED && rc != REASON_TOO_LARGE))
            abort();
        return NULL;
    }
    *size = tx_encoded_size(&fields);
    uint8_t *body = malloc(*size);
    if (body)
        tx_encode(body, &fields);
    return body;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    enum tx_kind kind = (enum tx_kind)(TX_ANOMALY + data[0] % 3);
    size_t body_size = 0, again_size = 0;
    uint8_t *body = body_of(kind, span_of(data + 1, size - 1), &body_size);
    uint8_t *again = body_of(kind, span_of(data + 1, size - 1), &again_size);
    if (!body != !again || body_size != again_size || (body && memcmp(body, again, body_size) != 0))
        abort();
    struct tx tx;
    const char *why;
    if (body && tx_parse(&tx, span_of(body, body_size), &why) == 0 && tx.kind != kind)
        abort();
    free(body);
    free(again);
    return 0;
}
