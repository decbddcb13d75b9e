/* query_codec.c - the generated types stay in here. */
#include "services/mempoold/query_codec.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/base/err.h"
#include "common/edge/pb.h"
#include "proto/query.pb-c.h"

typedef Cybermesh__Query__V1__QueryFrame Frame;
typedef Cybermesh__Query__V1__StatusItem Item;

enum { NAME_BYTES_MAX = 64, VALUE_BYTES_MAX = 24 };

int query_codec_decode(uint64_t *request, struct span payload)
{
    if (payload.size > QUERY_CODEC_FRAME_BYTES_MAX)
        return ERR_TOO_LARGE;
    Frame *frame = cybermesh__query__v1__query_frame__unpack(NULL, payload.size, payload.data);
    if (!frame)
        return ERR_MALFORMED;
    int rc = 0;
    if (frame->version != QUERY_CODEC_VERSION)
        rc = ERR_VERSION;
    else if (frame->body_case != CYBERMESH__QUERY__V1__QUERY_FRAME__BODY_STATUS_REQUEST)
        rc = ERR_MALFORMED;
    else
        *request = frame->status_request->request;
    cybermesh__query__v1__query_frame__free_unpacked(frame, NULL);
    return rc;
}

int query_codec_encode_status(uint64_t request, const struct query_codec_item *items, size_t count, uint8_t **out,
                              size_t *size)
{
    assert(count <= QUERY_CODEC_ITEM_COUNT_MAX);
    char names[QUERY_CODEC_ITEM_COUNT_MAX][NAME_BYTES_MAX];
    char values[QUERY_CODEC_ITEM_COUNT_MAX][VALUE_BYTES_MAX];
    Item status_items[QUERY_CODEC_ITEM_COUNT_MAX];
    Item *pointers[QUERY_CODEC_ITEM_COUNT_MAX];
    for (size_t i = 0; i < count; i++) {
        snprintf(names[i], sizeof names[i], "%s", items[i].name);
        snprintf(values[i], sizeof values[i], "%" PRIu64, items[i].value);
        cybermesh__query__v1__status_item__init(&status_items[i]);
        status_items[i].name = names[i];
        status_items[i].value = values[i];
        pointers[i] = &status_items[i];
    }
    Cybermesh__Query__V1__Status body = CYBERMESH__QUERY__V1__STATUS__INIT;
    body.request = request;
    body.n_items = count;
    body.items = pointers;
    Frame frame = CYBERMESH__QUERY__V1__QUERY_FRAME__INIT;
    frame.version = QUERY_CODEC_VERSION;
    frame.body_case = CYBERMESH__QUERY__V1__QUERY_FRAME__BODY_STATUS;
    frame.status = &body;
    return pb_pack(&frame.base, out, size);
}
