/* pb.c - arrays of bytes, copied as pointers and lengths. */
#include "common/edge/pb.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/err.h"

ProtobufCBinaryData pb_bytes(struct span bytes)
{
    ProtobufCBinaryData item = {.len = bytes.size};
    memcpy(&item.data, &bytes.data, sizeof item.data); /* drops the const that protobuf-c has no word for */
    return item;
}

int pb_spans(const ProtobufCBinaryData *items, size_t count, struct span **out)
{
    *out = NULL;
    if (count == 0)
        return 0;
    struct span *spans = calloc(count, sizeof *spans);
    if (!spans)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++)
        spans[i] = span_of(items[i].data, items[i].len);
    *out = spans;
    return 0;
}

int pb_items(const struct span *spans, size_t count, ProtobufCBinaryData **out)
{
    *out = NULL;
    if (count == 0)
        return 0;
    ProtobufCBinaryData *items = calloc(count, sizeof *items);
    if (!items)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++)
        items[i] = pb_bytes(spans[i]);
    *out = items;
    return 0;
}

int pb_hash_items(const struct hash *hashes, size_t count, ProtobufCBinaryData **out)
{
    *out = NULL;
    if (count == 0)
        return 0;
    ProtobufCBinaryData *items = calloc(count, sizeof *items);
    if (!items)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++)
        items[i] = pb_bytes(span_of(hashes[i].bytes, HASH_BYTES));
    *out = items;
    return 0;
}

int pb_hash(const ProtobufCBinaryData *item, struct hash *out)
{
    if (item->len != HASH_BYTES)
        return ERR_MALFORMED;
    memcpy(out->bytes, item->data, HASH_BYTES);
    return 0;
}

int pb_hashes(const ProtobufCBinaryData *items, size_t count, struct hash **out)
{
    *out = NULL;
    if (count == 0)
        return 0;
    struct hash *hashes = calloc(count, sizeof *hashes);
    if (!hashes)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        if (pb_hash(&items[i], &hashes[i]) < 0) {
            free(hashes);
            return ERR_MALFORMED;
        }
    }
    *out = hashes;
    return 0;
}

int pb_pack(const ProtobufCMessage *message, uint8_t **out, size_t *size)
{
    size_t packed_size = protobuf_c_message_get_packed_size(message);
    uint8_t *packed = malloc(packed_size ? packed_size : 1);
    if (!packed)
        return -ENOMEM;
    protobuf_c_message_pack(message, packed);
    *out = packed;
    *size = packed_size;
    return 0;
}
