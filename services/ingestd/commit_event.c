/* commit_event.c - signed bytes first, then the event: both are the same fields around the signature. */
#include "services/ingestd/commit_event.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "common/base/wire.h"

enum { UUID_BYTES = 36, VERSION_AT = 14, VARIANT_AT = 19 };

static bool is_hex(uint8_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

bool commit_event_is_uuid4(struct span text)
{
    if (text.size != UUID_BYTES)
        return false;
    for (size_t i = 0; i < UUID_BYTES; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash ? text.data[i] != '-' : !is_hex(text.data[i]))
            return false;
    }
    return text.data[VERSION_AT] == '4' && strchr("89abAB", text.data[VARIANT_AT]);
}

/* Fields 1-9. */
static void put_facts(struct bytes_writer *writer, const struct feed_codec_block *block, const struct sign_key *key)
{
    wire_put_number(writer, 1, block->height);
    wire_put_bytes(writer, 2, span_of(block->block_id.bytes, HASH_BYTES));
    wire_put_bytes(writer, 3, span_of(block->header.state_root.bytes, HASH_BYTES));
    wire_put_number(writer, 4, block->header.tx_count);
    wire_put_number(writer, 5, block->anomaly_count);
    wire_put_number(writer, 6, block->evidence_count);
    wire_put_number(writer, 7, block->policy_count);
    wire_put_number(writer, 8, block->header.timestamp_ms / 1000);
    wire_put_bytes(writer, 9, span_of(key->public.bytes, SIGN_PUBLIC_BYTES));
}

/* Field 13. */
static void put_anomaly_ids(struct bytes_writer *writer, const struct feed_codec_block *block)
{
    struct bytes_reader reader = bytes_reader_of(block->message);
    struct span id;
    size_t count = 0;
    while (count < COMMIT_EVENT_IDS_MAX && feed_codec_next_anomaly(&reader, &id)) {
        if (!commit_event_is_uuid4(id))
            continue;
        wire_put_item(writer, 13, id);
        count++;
    }
}

static void put_signed(struct bytes_writer *writer, const struct feed_codec_block *block, const char *topic,
                       const struct sign_key *key)
{
    bytes_put_span(writer, span_text(topic));
    put_facts(writer, block, key);
    put_anomaly_ids(writer, block);
}

static int sign(const struct feed_codec_block *block, const char *topic, const struct sign_key *key,
                struct signature *out)
{
    struct bytes_writer counter = bytes_writer_of(NULL, 0);
    put_signed(&counter, block, topic, key);
    uint8_t *bytes = malloc(counter.size);
    if (!bytes)
        return -ENOMEM;
    struct bytes_writer writer = bytes_writer_of(bytes, counter.size);
    put_signed(&writer, block, topic, key);
    sign_message(out, key, bytes_written(&writer));
    free(bytes);
    return 0;
}

static void put_event(struct bytes_writer *writer, const struct feed_codec_block *block, const struct sign_key *key,
                      const struct signature *signature)
{
    put_facts(writer, block, key);
    wire_put_bytes(writer, 10, span_of(signature->bytes, SIGN_BYTES));
    wire_put_bytes(writer, 11, span_of(key->public.bytes, SIGN_PUBLIC_BYTES));
    wire_put_bytes(writer, 12, span_text("Ed25519"));
    put_anomaly_ids(writer, block);
    wire_put_bytes(writer, 20, block->proof);
}

int commit_event_encode(const struct feed_codec_block *block, const char *topic, const struct sign_key *key,
                        uint8_t **out, size_t *size)
{
    struct signature signature;
    int rc = sign(block, topic, key, &signature);
    if (rc < 0)
        return rc;
    struct bytes_writer counter = bytes_writer_of(NULL, 0);
    put_event(&counter, block, key, &signature);
    uint8_t *bytes = malloc(counter.size);
    if (!bytes)
        return -ENOMEM;
    struct bytes_writer writer = bytes_writer_of(bytes, counter.size);
    put_event(&writer, block, key, &signature);
    assert(!writer.failed && writer.size == counter.size);
    *out = bytes;
    *size = counter.size;
    return 0;
}
