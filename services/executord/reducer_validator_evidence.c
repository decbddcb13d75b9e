/* reducer_validator_evidence.c - proof of equivocation creates the offender's one record of it, `proved`. What it does
 * to the offender's standing is committee_punish().
 */
#include "services/executord/record.h"
#include "services/executord/reducer.h"

const char *reducer_validator_evidence(struct bytes_writer *value, const struct reducer_input *input)
{
    static const char status[] = "proved";
    struct record_validator_evidence record = {
        .kind = input->proof->kind,
        .view = input->proof->view,
        .tx_id = *input->tx_id,
        .height = input->height,
        .status = span_text(status),
    };
    record_validator_evidence_encode(value, &record);
    return status;
}
