/* safety_codec.c - the values of the tables `blocks` and `bodies`, each with its format's number in front. */
#include "services/consensusd/safety_codec.h"

#include <errno.h>
#include <stdlib.h>

#include "common/base/cert_codec.h"
#include "common/base/err.h"

enum { FORMAT = 1, COMMIT_FORMAT = 2, BODY_COUNT_MAX = 1 << 20 };

static void put_hash(struct bytes_writer *writer, const struct hash *hash)
{
    bytes_put(writer, hash->bytes, HASH_BYTES);
}

void safety_codec_put_header(struct bytes_writer *writer, const void *value)
{
    uint8_t bytes[BLOCK_HEADER_BYTES];
    block_header_encode(bytes, value);
    bytes_put(writer, bytes, sizeof bytes);
}

static void get_hash(struct bytes_reader *reader, struct hash *out)
{
    bytes_get_copy(reader, out->bytes, HASH_BYTES);
}

static void get_header(struct bytes_reader *reader, struct block_header *out)
{
    if (block_header_decode(out, bytes_get_span(reader, BLOCK_HEADER_BYTES)) < 0)
        reader->failed = true;
}

void safety_codec_open_key(uint8_t out[static SAFETY_CODEC_OPEN_KEY_BYTES], uint64_t height, const struct hash *id)
{
    struct bytes_writer writer = bytes_writer_of(out, SAFETY_CODEC_OPEN_KEY_BYTES);
    bytes_put_u64(&writer, height);
    put_hash(&writer, id);
}

void safety_codec_put_bodies(struct bytes_writer *writer, const void *value)
{
    const struct safety_codec_bodies *stored = value;
    static const struct qc none;
    bytes_put_u8(writer, FORMAT);
    safety_codec_put_header(writer, stored->header);
    cert_codec_put_qc(writer, stored->justify ? stored->justify : &none);
    bytes_put_u32(writer, (uint32_t)stored->body_count);
    for (size_t i = 0; i < stored->body_count; i++)
        bytes_put_sized(writer, stored->bodies[i]);
}

/* NULL: not known. */
static void put_schedule(struct bytes_writer *writer, const struct schedule *schedule)
{
    static const struct schedule unknown;
    schedule = schedule ? schedule : &unknown;
    bytes_put_u8(writer, (uint8_t)schedule->count);
    bytes_put(writer, schedule->leaders, schedule->count);
}

static void get_schedule(struct bytes_reader *reader, struct schedule *out)
{
    uint8_t count = bytes_get_u8(reader);
    if (count > GENESIS_VALIDATORS_MAX)
        reader->failed = true;
    out->count = reader->failed ? 0 : count;
    bytes_get_copy(reader, out->leaders, out->count);
}

void safety_codec_put_commit(struct bytes_writer *writer, const void *value)
{
    const struct consensus_commit *commit = value;
    static const struct qc none;
    bytes_put_u8(writer, COMMIT_FORMAT);
    put_hash(writer, &commit->block_id);
    safety_codec_put_header(writer, &commit->header);
    cert_codec_put_qc(writer, commit->qc ? commit->qc : &none);
    bytes_put_u32(writer, (uint32_t)commit->proof_header_count);
    for (size_t i = 0; i < commit->proof_header_count; i++)
        safety_codec_put_header(writer, &commit->proof_headers[i]);
    cert_codec_put_qc(writer, commit->proof_qc);
    put_schedule(writer, commit->schedule);
}

int safety_codec_get_bodies(struct span value, struct safety_store_block *out, bool take_justify)
{
    struct bytes_reader reader = bytes_reader_of(value);
    struct qc justify;
    uint8_t format = bytes_get_u8(&reader);
    get_header(&reader, &out->header);
    cert_codec_get_qc(&reader, &justify);
    uint32_t count = bytes_get_u32(&reader);
    if (format != FORMAT || reader.failed || count > BODY_COUNT_MAX || count != out->header.tx_count)
        return ERR_CORRUPT;
    out->bodies = calloc(count + 1, sizeof out->bodies[0]);
    if (!out->bodies)
        return -ENOMEM;
    out->body_count = count;
    for (uint32_t i = 0; i < count; i++)
        out->bodies[i] = bytes_get_span(&reader, bytes_get_u32(&reader));
    if (take_justify)
        out->qc = justify;
    return bytes_reader_end(&reader) == 0 ? 0 : ERR_CORRUPT;
}

int safety_codec_get_commit(struct span value, struct safety_store_block *out)
{
    struct bytes_reader reader = bytes_reader_of(value);
    uint8_t format = bytes_get_u8(&reader);
    get_hash(&reader, &out->id);
    get_header(&reader, &out->header);
    cert_codec_get_qc(&reader, &out->qc);
    uint32_t count = bytes_get_u32(&reader);
    if (format != COMMIT_FORMAT || reader.failed || count > CERT_PROOF_HEADERS_MAX)
        return ERR_CORRUPT;
    out->proof_headers = calloc(count + 1, sizeof out->proof_headers[0]);
    if (!out->proof_headers)
        return -ENOMEM;
    out->proof_header_count = count;
    for (uint32_t i = 0; i < count; i++)
        get_header(&reader, &out->proof_headers[i]);
    cert_codec_get_qc(&reader, &out->proof_qc);
    get_schedule(&reader, &out->schedule);
    return bytes_reader_end(&reader) == 0 ? 0 : ERR_CORRUPT;
}

int safety_codec_commit_id(struct span value, struct hash *out)
{
    struct bytes_reader reader = bytes_reader_of(value);
    uint8_t format = bytes_get_u8(&reader);
    get_hash(&reader, out);
    return format == COMMIT_FORMAT && !reader.failed ? 0 : ERR_CORRUPT;
}
