/* fuzz_bus_zap.c - any frames as a ZAP request: only the listed key in its domain is let in. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/edge/bus_zap.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t listed_key[BUS_KEY_BYTES] = "0123456789abcdef0123456789abcde";

static struct bus_zap *list(void)
{
    static struct bus_zap *zap;
    if (!zap) {
        if (bus_zap_new_idle(&zap) < 0 || bus_zap_allow(zap, "admission", listed_key, "ingestd") < 0)
            abort();
    }
    return zap;
}

/* The input is frames, each after one byte of length. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span frames[BUS_ZAP_FRAME_COUNT_MAX];
    size_t count = 0;
    while (size > 0 && count < BUS_ZAP_FRAME_COUNT_MAX) {
        size_t frame_size = data[0] < size - 1 ? data[0] : size - 1;
        frames[count++] = span_of(data + 1, frame_size);
        data += 1 + frame_size;
        size -= 1 + frame_size;
    }
    char user_id[BUS_NAME_BYTES_MAX] = "";
    enum bus_zap_verdict verdict = bus_zap_judge(list(), frames, count, user_id);
    assert((verdict == BUS_ZAP_ALLOWED) == (strcmp(user_id, "ingestd") == 0));
    if (verdict == BUS_ZAP_ALLOWED)
        assert(span_equal(frames[2], span_text("admission")) &&
               span_equal(frames[6], span_of(listed_key, BUS_KEY_BYTES)));
    return 0;
}
