/* reducer_evidence.c - an EvidenceEvent creates an evidence, `accepted`. */
#include "services/executord/record.h"
#include "services/executord/reducer.h"

const char *reducer_evidence(struct bytes_writer *value, const struct reducer_input *input)
{
    static const char status[] = "accepted";
    const struct tx *tx = input->tx;
    struct record_evidence record = {
        .type = tx->type,
        .refs_of = tx,
        .content_hash = span_of(tx->content_hash.bytes, HASH_BYTES),
        .custody_count = tx->custody_count,
        .ts = tx->ts,
        .status = span_text(status),
        .producer = span_of(tx->producer.bytes, sizeof tx->producer.bytes),
        .tx_id = span_of(input->tx_id->bytes, HASH_BYTES),
        .height = input->height,
    };
    record_evidence_encode(value, &record);
    return status;
}
