/* query_codec.c - by protobuf-c; what it does not judge, lengths and the version, is judged here. */
#include "services/apid/query_codec.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/err.h"
#include "common/base/hash.h"

enum { FRAME_VERSION = 1 };

typedef Cybermesh__Query__V1__QueryFrame Frame;

static int pack(uint8_t **out, size_t *size, const Frame *frame)
{
    size_t room = cybermesh__query__v1__query_frame__get_packed_size(frame);
    uint8_t *bytes = malloc(room);
    if (!bytes)
        return -ENOMEM;
    *size = cybermesh__query__v1__query_frame__pack(frame, bytes);
    *out = bytes;
    return 0;
}

int query_codec_ask_state(uint8_t **out, size_t *size, uint64_t request, const struct query_codec_question *question)
{
    Cybermesh__Query__V1__StateRequest state;
    cybermesh__query__v1__state_request__init(&state);
    state.request = request;
    state.key = (ProtobufCBinaryData){.data = (uint8_t *)(uintptr_t)question->key, .len = strlen(question->key)};
    state.at_height = question->at_height;
    state.height = question->height;
    Frame frame;
    cybermesh__query__v1__query_frame__init(&frame);
    frame.version = FRAME_VERSION;
    frame.body_case = CYBERMESH__QUERY__V1__QUERY_FRAME__BODY_STATE_REQUEST;
    frame.state_request = &state;
    return pack(out, size, &frame);
}

int query_codec_ask_status(uint8_t **out, size_t *size, uint64_t request)
{
    Cybermesh__Query__V1__StatusRequest status;
    cybermesh__query__v1__status_request__init(&status);
    status.request = request;
    Frame frame;
    cybermesh__query__v1__query_frame__init(&frame);
    frame.version = FRAME_VERSION;
    frame.body_case = CYBERMESH__QUERY__V1__QUERY_FRAME__BODY_STATUS_REQUEST;
    frame.status_request = &status;
    return pack(out, size, &frame);
}

static bool is_good_state(const Cybermesh__Query__V1__State *state)
{
    if (state->has_leaf && (state->leaf_key_hash.len != HASH_BYTES || state->leaf_value_hash.len != HASH_BYTES))
        return false;
    if (state->n_siblings > QUERY_CODEC_SIBLINGS_MAX)
        return false;
    for (size_t i = 0; i < state->n_siblings; i++) {
        if (state->siblings[i].len != HASH_BYTES)
            return false;
    }
    return true;
}

static bool is_good(const Frame *frame)
{
    if (frame->version != FRAME_VERSION)
        return false;
    if (frame->body_case == CYBERMESH__QUERY__V1__QUERY_FRAME__BODY_STATE)
        return is_good_state(frame->state);
    return frame->body_case == CYBERMESH__QUERY__V1__QUERY_FRAME__BODY_STATUS;
}

int query_codec_read(Frame **out, struct span bytes)
{
    Frame *frame = cybermesh__query__v1__query_frame__unpack(NULL, bytes.size, bytes.data);
    if (!frame)
        return ERR_MALFORMED;
    if (!is_good(frame)) {
        query_codec_free(&frame);
        return ERR_MALFORMED;
    }
    *out = frame;
    return 0;
}

uint64_t query_codec_request(const Frame *frame)
{
    return frame->body_case == CYBERMESH__QUERY__V1__QUERY_FRAME__BODY_STATE ? frame->state->request
                                                                             : frame->status->request;
}

void query_codec_free(Frame **frame)
{
    if (!frame || !*frame)
        return;
    cybermesh__query__v1__query_frame__free_unpacked(*frame, NULL);
    *frame = NULL;
}
