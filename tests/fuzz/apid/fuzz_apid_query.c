/* fuzz_apid_query.c - an answer of a stage, and the document made of it. */
#include <stdint.h>
#include <stdlib.h>

#include "services/apid/answers.h"
#include "services/apid/query_codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Cybermesh__Query__V1__QueryFrame *frame = NULL;
    if (query_codec_read(&frame, span_of(data, size)) != 0)
        return 0;
    for (int with_proof = 0; with_proof < 2; with_proof++) {
        json_t *value = NULL;
        const char *why = NULL;
        if (frame->body_case != CYBERMESH__QUERY__V1__QUERY_FRAME__BODY_STATE)
            break;
        int status = answers_state(frame->state, "a/b", with_proof == 1, &value, &why);
        if ((status == 200) != (value != NULL) || (!value && !why))
            abort();
        json_decref(value);
    }
    query_codec_free(&frame);
    return 0;
}
