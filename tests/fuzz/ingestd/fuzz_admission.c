/* Any bytes as a frame of mempoold's, up to and through the transactions that wait for it. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "services/ingestd/admission_codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { TX_COUNT = 8 };

static struct pending *pending;
static uint64_t now_ms;

static void pending_end(void)
{
    pending_destroy(&pending);
}

static void pending_begin(void)
{
    if (pending_new(&pending, TX_COUNT, 1) < 0)
        abort();
    for (uint8_t i = 0; i < TX_COUNT; i++) {
        if (pending_add(pending, i, &(struct hash){{(uint8_t)(i / 2)}}, 100) < 0)
            abort();
    }
    atexit(pending_end);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct admission_codec_room room;
    static struct hash ids[PENDING_LOOKUP_COUNT_MAX];
    struct admission_codec_frame frame;
    if (admission_codec_decode(&frame, &room, span_of(data, size)) < 0)
        return 0;
    if (!pending)
        pending_begin();
    now_ms += 20;
    if (frame.kind == ADMISSION_CODEC_VERDICTS) {
        struct hash bad[PENDING_BATCH_COUNT_MAX];
        (void)!pending_verdicts(pending, now_ms, &frame.verdicts, bad);
        frame.verdicts.batch = pending_usage(pending).submitted_total; /* close to the right one */
        (void)!pending_verdicts(pending, now_ms, &frame.verdicts, bad);
    }
    for (size_t i = 0; i < frame.rejected_count; i++)
        pending_doubt(pending, &frame.rejected[i].tx_id);
    struct pending_batch batch;
    uint64_t request = 0;
    pending_tick(pending, now_ms);
    pending_submit(pending, now_ms, &batch);
    if (pending_lookup(pending, now_ms, ids, &request) > 0 && now_ms % 40 == 0)
        pending_looked_up(pending, request);
    struct pending_usage usage = pending_usage(pending);
    if (usage.tx_count != TX_COUNT / 2 || usage.queued + usage.sent + usage.waiting != usage.tx_count)
        abort();
    return 0;
}
