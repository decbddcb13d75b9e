/* reducer_anomaly.c - an AnomalyEvent creates an anomaly, `reported`. */
#include "services/executord/record.h"
#include "services/executord/reducer.h"

const char *reducer_anomaly(struct bytes_writer *value, const struct reducer_input *input)
{
    static const char status[] = "reported";
    const struct tx *tx = input->tx;
    struct record_anomaly record = {
        .type = tx->type,
        .severity = tx->severity,
        .confidence_ppm = tx->confidence_ppm,
        .source = tx->source,
        .ts = tx->ts,
        .status = span_text(status),
        .producer = span_of(tx->producer.bytes, sizeof tx->producer.bytes),
        .tx_id = span_of(input->tx_id->bytes, HASH_BYTES),
        .height = input->height,
    };
    record_anomaly_encode(value, &record);
    return status;
}
