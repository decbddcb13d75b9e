/* block.c - the block header's bytes. */
#include "common/base/block.h"

#include <assert.h>

#include "common/base/bytes.h"
#include "common/base/err.h"

static const char block_domain[] = "cybermesh/block/v1"; /* with its zero byte */

static void block_put_hash(struct bytes_writer *writer, const struct hash *value)
{
    bytes_put(writer, value->bytes, HASH_BYTES);
}

static void block_get_hash(struct bytes_reader *reader, struct hash *value)
{
    bytes_get_copy(reader, value->bytes, HASH_BYTES);
}

void block_header_encode(uint8_t out[static BLOCK_HEADER_BYTES], const struct block_header *header)
{
    struct bytes_writer writer = bytes_writer_of(out, BLOCK_HEADER_BYTES);
    bytes_put(&writer, block_domain, sizeof block_domain);
    block_put_hash(&writer, &header->chain_id);
    bytes_put_u64(&writer, header->height);
    bytes_put_u64(&writer, header->view);
    block_put_hash(&writer, &header->parent_id);
    bytes_put_u64(&writer, header->justify_view);
    bytes_put_u64(&writer, header->justify_signers);
    bytes_put_u32(&writer, header->tx_count);
    block_put_hash(&writer, &header->tx_root);
    block_put_hash(&writer, &header->receipt_root);
    block_put_hash(&writer, &header->state_root);
    block_put_hash(&writer, &header->proposer);
    bytes_put_u64(&writer, header->timestamp_ms);
    assert(!writer.failed && writer.size == BLOCK_HEADER_BYTES);
}

int block_header_decode(struct block_header *out, struct span bytes)
{
    struct bytes_reader reader = bytes_reader_of(bytes);
    struct block_header header;
    struct span domain = bytes_get_span(&reader, sizeof block_domain);
    block_get_hash(&reader, &header.chain_id);
    header.height = bytes_get_u64(&reader);
    header.view = bytes_get_u64(&reader);
    block_get_hash(&reader, &header.parent_id);
    header.justify_view = bytes_get_u64(&reader);
    header.justify_signers = bytes_get_u64(&reader);
    header.tx_count = bytes_get_u32(&reader);
    block_get_hash(&reader, &header.tx_root);
    block_get_hash(&reader, &header.receipt_root);
    block_get_hash(&reader, &header.state_root);
    block_get_hash(&reader, &header.proposer);
    header.timestamp_ms = bytes_get_u64(&reader);
    int rc = bytes_reader_end(&reader);
    if (rc < 0)
        return rc;
    if (!span_equal(domain, span_of(block_domain, sizeof block_domain)))
        return ERR_MALFORMED;
    *out = header;
    return 0;
}

struct hash block_id(const struct block_header *header)
{
    uint8_t bytes[BLOCK_HEADER_BYTES];
    block_header_encode(bytes, header);
    return hash_of(span_of(bytes, sizeof bytes));
}

struct block_header block_genesis(const struct genesis *genesis, const struct hash *state_root)
{
    return (struct block_header){
        .chain_id = genesis->chain_id,
        .state_root = *state_root,
        .timestamp_ms = genesis->created_ms,
    };
}
