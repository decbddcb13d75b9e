/* voting.c - u8 format || chain_id || key || u64 sequence || u64 starts || u64 floor_view || u8 has_voting ||
 * the voting state || H(domain || all before).
 */
#include "common/base/voting.h"

#include <assert.h>
#include <string.h>

#include "common/base/bytes.h"
#include "common/base/err.h"

enum { FORMAT = 2 };

static struct hash seal_of(struct span bytes)
{
    static const uint8_t domain[] = "cybermesh/voting/v1"; /* its zero byte counts */
    return hash_of2(span_of(domain, sizeof domain), bytes);
}

static void put_voting(struct bytes_writer *writer, const struct consensus_voting *voting)
{
    bytes_put_u64(writer, voting->last_voted_view);
    bytes_put_u8(writer, voting->has_vote);
    bytes_put_u64(writer, voting->vote_view);
    bytes_put_u64(writer, voting->vote_height);
    bytes_put(writer, voting->vote_block_id.bytes, HASH_BYTES);
    bytes_put(writer, voting->vote_signature.bytes, SIGN_BYTES);
    bytes_put_u8(writer, voting->has_timeout);
    bytes_put_u64(writer, voting->timeout_view);
    bytes_put_u64(writer, voting->timeout_high_qc_view);
    cert_codec_put_qc(writer, &voting->high_qc);
    bytes_put_u8(writer, voting->has_tc);
    if (voting->has_tc)
        cert_codec_put_tc(writer, &voting->high_tc);
}

static bool get_bool(struct bytes_reader *reader)
{
    uint8_t value = bytes_get_u8(reader);
    if (value > 1)
        reader->failed = true;
    return value == 1;
}

static void get_voting(struct bytes_reader *reader, struct consensus_voting *out)
{
    out->last_voted_view = bytes_get_u64(reader);
    out->has_vote = get_bool(reader);
    out->vote_view = bytes_get_u64(reader);
    out->vote_height = bytes_get_u64(reader);
    bytes_get_copy(reader, out->vote_block_id.bytes, HASH_BYTES);
    bytes_get_copy(reader, out->vote_signature.bytes, SIGN_BYTES);
    out->has_timeout = get_bool(reader);
    out->timeout_view = bytes_get_u64(reader);
    out->timeout_high_qc_view = bytes_get_u64(reader);
    cert_codec_get_qc(reader, &out->high_qc);
    out->has_tc = get_bool(reader);
    if (out->has_tc)
        cert_codec_get_tc(reader, &out->high_tc);
}

size_t voting_record_encode(uint8_t out[static VOTING_RECORD_BYTES_MAX], const struct voting_record *record)
{
    struct bytes_writer writer = bytes_writer_of(out, VOTING_RECORD_BYTES_MAX);
    bytes_put_u8(&writer, FORMAT);
    bytes_put(&writer, record->chain_id.bytes, HASH_BYTES);
    bytes_put(&writer, record->key.bytes, SIGN_PUBLIC_BYTES);
    bytes_put_u64(&writer, record->sequence);
    bytes_put_u64(&writer, record->starts);
    bytes_put_u64(&writer, record->floor_view);
    bytes_put_u8(&writer, record->has_voting);
    if (record->has_voting)
        put_voting(&writer, &record->voting);
    struct hash seal = seal_of(bytes_written(&writer));
    bytes_put(&writer, seal.bytes, HASH_BYTES);
    assert(!writer.failed);
    return writer.size;
}

int voting_record_decode(struct voting_record *out, struct span value)
{
    if (value.size < HASH_BYTES)
        return ERR_CORRUPT;
    struct span sealed = span_of(value.data, value.size - HASH_BYTES);
    struct hash seal = seal_of(sealed);
    if (memcmp(seal.bytes, value.data + sealed.size, HASH_BYTES) != 0)
        return ERR_CORRUPT;
    struct bytes_reader reader = bytes_reader_of(sealed);
    struct voting_record record = {0};
    uint8_t format = bytes_get_u8(&reader);
    bytes_get_copy(&reader, record.chain_id.bytes, HASH_BYTES);
    bytes_get_copy(&reader, record.key.bytes, SIGN_PUBLIC_BYTES);
    record.sequence = bytes_get_u64(&reader);
    record.starts = bytes_get_u64(&reader);
    record.floor_view = bytes_get_u64(&reader);
    record.has_voting = get_bool(&reader);
    if (record.has_voting)
        get_voting(&reader, &record.voting);
    if (format != FORMAT || bytes_reader_end(&reader) < 0)
        return ERR_CORRUPT;
    *out = record;
    return 0;
}
