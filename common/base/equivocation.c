/* equivocation.c - the canonical form is that of every transaction: u8 field number || u32 length || value, in number
 * order.
 */
#include "common/base/equivocation.h"

#include <assert.h>
#include <string.h>

#include "common/base/bytes.h"
#include "common/base/cert.h"

enum { FIELD_OFFENDER = 1, FIELD_KIND, FIELD_VIEW, FIELD_FIRST, FIELD_SECOND };

static void put_head(struct bytes_writer *writer, uint8_t field, size_t size)
{
    bytes_put_u8(writer, field);
    bytes_put_u32(writer, (uint32_t)size);
}

static size_t statement_bytes(enum equivocation_kind kind)
{
    return kind == EQUIVOCATION_VOTE ? EQUIVOCATION_VOTE_BYTES : EQUIVOCATION_PROPOSAL_BYTES;
}

static void put_statement(struct bytes_writer *writer, uint8_t field, enum equivocation_kind kind,
                          const struct equivocation_statement *statement)
{
    put_head(writer, field, statement_bytes(kind));
    if (kind == EQUIVOCATION_VOTE) {
        bytes_put_u64(writer, statement->height);
        bytes_put(writer, statement->block_id.bytes, HASH_BYTES);
    } else {
        uint8_t header[BLOCK_HEADER_BYTES];
        block_header_encode(header, &statement->header);
        bytes_put(writer, header, sizeof header);
        bytes_put(writer, statement->tc_hash.bytes, HASH_BYTES);
    }
    bytes_put(writer, statement->signature.bytes, SIGN_BYTES);
}

static int order(const struct equivocation *equivocation)
{
    return memcmp(equivocation->statements[0].block_id.bytes, equivocation->statements[1].block_id.bytes, HASH_BYTES);
}

size_t equivocation_encode(uint8_t out[static EQUIVOCATION_BODY_BYTES_MAX], const struct equivocation *equivocation)
{
    int first = order(equivocation) < 0 ? 0 : 1;
    assert(order(equivocation) != 0);
    struct bytes_writer writer = bytes_writer_of(out, EQUIVOCATION_BODY_BYTES_MAX);
    bytes_put_u8(&writer, TX_VALIDATOR_EVIDENCE);
    put_head(&writer, FIELD_OFFENDER, HASH_BYTES);
    bytes_put(&writer, equivocation->offender.bytes, HASH_BYTES);
    put_head(&writer, FIELD_KIND, 8);
    bytes_put_u64(&writer, equivocation->kind);
    put_head(&writer, FIELD_VIEW, 8);
    bytes_put_u64(&writer, equivocation->view);
    put_statement(&writer, FIELD_FIRST, equivocation->kind, &equivocation->statements[first]);
    put_statement(&writer, FIELD_SECOND, equivocation->kind, &equivocation->statements[1 - first]);
    assert(!writer.failed);
    return writer.size;
}

static void get_head(struct bytes_reader *reader, uint8_t field, size_t size)
{
    if (bytes_get_u8(reader) != field || bytes_get_u32(reader) != size)
        reader->failed = true;
}

static void get_statement(struct bytes_reader *reader, uint8_t field, enum equivocation_kind kind,
                          struct equivocation_statement *out)
{
    get_head(reader, field, statement_bytes(kind));
    if (kind == EQUIVOCATION_VOTE) {
        out->height = bytes_get_u64(reader);
        bytes_get_copy(reader, out->block_id.bytes, HASH_BYTES);
    } else {
        struct span header = bytes_get_span(reader, BLOCK_HEADER_BYTES);
        if (block_header_decode(&out->header, header) < 0)
            reader->failed = true;
        out->block_id = hash_of(header);
        bytes_get_copy(reader, out->tc_hash.bytes, HASH_BYTES);
    }
    bytes_get_copy(reader, out->signature.bytes, SIGN_BYTES);
}

int equivocation_decode(struct equivocation *out, struct span body)
{
    struct equivocation equivocation = {0};
    struct bytes_reader reader = bytes_reader_of(body);
    if (bytes_get_u8(&reader) != TX_VALIDATOR_EVIDENCE)
        return REASON_MALFORMED;
    get_head(&reader, FIELD_OFFENDER, HASH_BYTES);
    bytes_get_copy(&reader, equivocation.offender.bytes, HASH_BYTES);
    get_head(&reader, FIELD_KIND, 8);
    uint64_t kind = bytes_get_u64(&reader);
    get_head(&reader, FIELD_VIEW, 8);
    equivocation.view = bytes_get_u64(&reader);
    if (reader.failed || (kind != EQUIVOCATION_VOTE && kind != EQUIVOCATION_PROPOSAL))
        return REASON_MALFORMED;
    equivocation.kind = (enum equivocation_kind)kind;
    get_statement(&reader, FIELD_FIRST, equivocation.kind, &equivocation.statements[0]);
    get_statement(&reader, FIELD_SECOND, equivocation.kind, &equivocation.statements[1]);
    if (bytes_reader_end(&reader) < 0 || order(&equivocation) >= 0)
        return REASON_MALFORMED;
    *out = equivocation;
    return 0;
}

static bool statement_fits(const struct equivocation *equivocation, const struct genesis *genesis, uint32_t index)
{
    const struct block_header *header = &equivocation->statements[index].header;
    return equivocation->kind == EQUIVOCATION_VOTE ||
           (header->view == equivocation->view && hash_equal(&header->chain_id, &genesis->chain_id) &&
            hash_equal(&header->proposer, &equivocation->offender));
}

static bool signature_good(const struct equivocation *equivocation, const struct genesis *genesis, uint32_t index,
                           const struct sign_public *key)
{
    const struct equivocation_statement *statement = &equivocation->statements[index];
    if (equivocation->kind == EQUIVOCATION_VOTE) {
        uint8_t message[CERT_VOTE_BYTES];
        cert_vote_bytes(message, &genesis->chain_id, equivocation->view, statement->height, &statement->block_id);
        return sign_verify(&statement->signature, key, span_of(message, sizeof message)) == 0;
    }
    uint8_t message[CERT_PROPOSAL_BYTES];
    cert_proposal_bytes(message, &genesis->chain_id, &statement->block_id, &statement->tc_hash);
    return sign_verify(&statement->signature, key, span_of(message, sizeof message)) == 0;
}

int equivocation_verify(const struct equivocation *equivocation, const struct genesis *genesis)
{
    int offender = genesis_validator_index(genesis, &equivocation->offender);
    if (offender < 0)
        return REASON_PRODUCER_UNKNOWN;
    if (order(equivocation) == 0 || !statement_fits(equivocation, genesis, 0) ||
        !statement_fits(equivocation, genesis, 1))
        return REASON_CONTENT_RULE;
    const struct sign_public *key = &genesis->validators[offender].sign_key;
    for (uint32_t i = 0; i < 2; i++) {
        if (!signature_good(equivocation, genesis, i, key))
            return REASON_BAD_SIGNATURE;
    }
    return 0;
}

int equivocation_check(struct equivocation *out, struct span body, const struct genesis *genesis)
{
    struct equivocation equivocation;
    int verdict = equivocation_decode(&equivocation, body);
    if (verdict == 0)
        verdict = equivocation_verify(&equivocation, genesis);
    if (verdict == 0)
        *out = equivocation;
    return verdict;
}
