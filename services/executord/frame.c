/* frame.c - the outside of a frame. */
#include "services/executord/frame.h"

#include "common/base/err.h"
#include "services/executord/wire.h"

int frame_open(struct span payload, uint32_t *field, struct span *body)
{
    struct bytes_reader reader = bytes_reader_of(payload);
    struct wire_field item;
    uint64_t version = 0;
    uint32_t found = 0;
    struct span found_body = {0};
    while (wire_next(&reader, &item)) {
        if (item.number == 1 && item.type == WIRE_TYPE_VARINT) {
            version = item.value;
        } else if (item.number > 1 && item.type == WIRE_TYPE_BYTES) {
            found = item.number;
            found_body = item.bytes;
        }
    }
    if (reader.failed)
        return ERR_MALFORMED;
    if (version != FRAME_VERSION)
        return ERR_VERSION;
    if (found == 0)
        return ERR_MALFORMED;
    *field = found;
    *body = found_body;
    return 0;
}

void frame_put_head(struct bytes_writer *writer, uint32_t field, uint64_t body_size)
{
    wire_put_number(writer, 1, FRAME_VERSION);
    wire_put_item_head(writer, field, body_size);
}

void frame_put(struct bytes_writer *writer, uint32_t field, void (*put)(struct bytes_writer *, const void *),
               const void *body)
{
    struct bytes_writer counter = bytes_writer_of(NULL, 0);
    put(&counter, body);
    frame_put_head(writer, field, counter.size);
    put(writer, body);
}

int frame_hash(struct hash *out, struct span bytes)
{
    if (bytes.size != HASH_BYTES)
        return ERR_MALFORMED;
    memcpy(out->bytes, bytes.data, HASH_BYTES);
    return 0;
}
