/* Any bytes as a frame of persistd's: what is accepted can be walked, and its blocks can be announced. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "services/ingestd/commit_event.h"
#include "services/ingestd/feed_codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void walk_block(const struct feed_codec_block *block)
{
    struct hash id;
    struct span text;
    struct feed_codec_producer producer;
    struct bytes_reader reader = bytes_reader_of(block->message);
    while (feed_codec_next_tx(&reader, &id))
        continue;
    reader = bytes_reader_of(block->message);
    while (feed_codec_next_anomaly(&reader, &text))
        continue;
    reader = bytes_reader_of(block->message);
    while (feed_codec_next_changed(&reader, &producer))
        continue;
    if (block->header.height != block->height)
        abort();
    static struct sign_key key;
    uint8_t *event = NULL;
    size_t size = 0;
    if (commit_event_encode(block, "topic", &key, &event, &size) == 0)
        free(event);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct feed_codec_frame frame;
    if (feed_codec_decode(&frame, span_of(data, size)) < 0)
        return 0;
    struct feed_codec_block block;
    struct feed_codec_producer producer;
    struct hash id;
    struct bytes_reader reader = bytes_reader_of(frame.message);
    switch (frame.kind) {
    case FEED_CODEC_PERSISTED:
        walk_block(&frame.block);
        break;
    case FEED_CODEC_RANGE:
        while (feed_codec_next_block(&reader, &block))
            walk_block(&block);
        break;
    case FEED_CODEC_PRODUCERS:
        while (feed_codec_next_producer(&reader, &producer))
            continue;
        break;
    case FEED_CODEC_LOOKUP:
        while (feed_codec_next_found(&reader, &id))
            continue;
        break;
    }
    return 0;
}
