/* serve_queries.c - values with their proofs, for apid. */
#include <inttypes.h>
#include <stdio.h>

#include "common/base/hex.h"
#include "services/executord/executord_state.h"
#include "services/executord/query_codec.h"

static int answer_state(struct executord *self, const struct bus_route *route,
                        const struct query_codec_request *request)
{
    uint64_t height_max = executor_committed(self->executor)->header.height;
    struct query_codec_state state = {
        .request = request->request,
        .status = QUERY_CODEC_OK,
        .height = request->at_height ? request->height : height_max,
        .height_min = executor_height_min(self->executor),
        .height_max = height_max,
    };
    struct executor_value value;
    struct executord_store_head head;
    int verdict = executor_query(self->executor, request->key, state.height, &value);
    if (verdict == EXECUTOR_HEIGHT_UNKNOWN) {
        state.status = QUERY_CODEC_HEIGHT_UNKNOWN;
    } else if (verdict == EXECUTOR_HEIGHT_NOT_RETAINED) {
        state.status = QUERY_CODEC_HEIGHT_NOT_RETAINED;
    } else {
        int rc = executord_store_head(self->store, state.height, &head);
        if (rc < 0)
            return rc;
        state.found = value.found;
        state.value = value.value;
        state.proof = &value.proof;
        state.header = span_of(head.header, sizeof head.header);
        state.commit_proof = head.proof;
    }
    struct bytes_writer writer = executord_answer_writer(self);
    query_codec_put_state(&writer, &state);
    executord_send_answer(self, EXECUTORD_QUERY, route, &writer);
    return 0;
}

static void answer_status(struct executord *self, const struct bus_route *route, uint64_t request)
{
    const struct version *last = executor_committed(self->executor);
    struct executor_usage usage = executor_usage(self->executor);
    char root[2 * HASH_BYTES + 1];
    hex_encode(root, last->header.state_root.bytes, HASH_BYTES);
    const struct {
        const char *name;
        uint64_t value;
    } numbers[] = {
        {"height", last->header.height},
        {"persisted_height", self->persisted_height},
        {"state_keys", usage.key_count},
        {"state_bytes", usage.state_bytes},
        {"committed_versions", usage.committed_count},
        {"speculative_versions", usage.speculative_count},
    };
    char texts[ARRAY_COUNT(numbers)][24];
    struct query_codec_item items[ARRAY_COUNT(numbers) + 1];
    for (size_t i = 0; i < ARRAY_COUNT(numbers); i++) {
        snprintf(texts[i], sizeof texts[i], "%" PRIu64, numbers[i].value);
        items[i] = (struct query_codec_item){numbers[i].name, texts[i]};
    }
    items[ARRAY_COUNT(numbers)] = (struct query_codec_item){"state_root", root};
    struct bytes_writer writer = executord_answer_writer(self);
    query_codec_put_status(&writer, &(struct query_codec_items){request, items, ARRAY_COUNT(items)});
    executord_send_answer(self, EXECUTORD_QUERY, route, &writer);
}

void serve_queries_message(void *context, struct bus_message *message)
{
    struct executord *self = context;
    struct query_codec_request request;
    int rc = query_codec_decode(&request, message->payload);
    if (rc < 0) {
        executord_bad_frame(self, EXECUTORD_QUERY, message, rc);
        return;
    }
    if (request.kind == QUERY_CODEC_STATUS_REQUEST) {
        answer_status(self, &message->route, request.request);
        return;
    }
    rc = answer_state(self, &message->route, &request);
    if (rc < 0)
        executord_stop(self, rc, "read a block's proof");
}
