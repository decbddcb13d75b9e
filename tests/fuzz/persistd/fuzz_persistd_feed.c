/* fuzz_persistd_feed.c - a question of ingestd or apid. */
#include <stdint.h>
#include <stdlib.h>

#include "services/persistd/feed_codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct hash ids[FEED_CODEC_LOOKUP_IDS_MAX];
    struct feed_codec_question question;
    if (feed_codec_decode(&question, ids, span_of(data, size)) != 0)
        return 0;
    if (question.id_count > FEED_CODEC_LOOKUP_IDS_MAX || question.count_max == 0 ||
        question.count_max > FEED_CODEC_RANGE_BLOCKS_MAX || question.height_first > INT64_MAX)
        abort();
    return 0;
}
