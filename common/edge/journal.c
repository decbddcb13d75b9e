/* journal.c - one slot for each entry: H(all behind it) || u64 generation || u32 index || u32 size || zeros up to
 * JOURNAL_HEADER_BYTES || payload. Slots, not one entry behind the other: what stands inside an entry is never taken
 * for one.
 */
#include "common/edge/journal.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/bytes.h"
#include "common/base/err.h"
#include "common/base/hash.h"
#include "common/edge/journal_file.h"

struct entry {
    uint64_t generation;
    uint32_t index;
    struct span payload;
};

/* Returns false where no whole entry is. */
static bool entry_at(struct entry *out, const struct journal_content *content, uint32_t slot)
{
    const uint8_t *bytes = content->bytes + (size_t)slot * JOURNAL_SLOT_BYTES;
    struct bytes_reader reader = bytes_reader_of(span_of(bytes + HASH_BYTES, JOURNAL_HEADER_BYTES - HASH_BYTES));
    *out = (struct entry){.generation = bytes_get_u64(&reader), .index = bytes_get_u32(&reader)};
    uint32_t size = bytes_get_u32(&reader);
    if (size > JOURNAL_ENTRY_BYTES_MAX || out->index != slot + 1)
        return false;
    struct hash check = hash_of(span_of(bytes + HASH_BYTES, JOURNAL_HEADER_BYTES - HASH_BYTES + size));
    out->payload = span_of(bytes + JOURNAL_HEADER_BYTES, size);
    return memcmp(check.bytes, bytes, HASH_BYTES) == 0;
}

void journal_content_deinit(struct journal_content *content)
{
    free(content->bytes);
    content->bytes = NULL;
}

int journal_each(const struct journal_content *content, uint64_t generation, journal_visit_fn *visit, void *context)
{
    bool ended = false;
    int rc = 0;
    for (uint32_t slot = 0; slot < JOURNAL_ENTRY_COUNT_MAX && rc == 0; slot++) {
        struct entry entry;
        bool here = entry_at(&entry, content, slot) && entry.generation == generation;
        if (here)
            rc = ended ? ERR_CORRUPT : visit(context, entry.index, entry.payload);
        ended |= !here;
    }
    return rc;
}

uint64_t journal_generation(const struct journal_content *content)
{
    uint64_t greatest = 0;
    for (uint32_t slot = 0; slot < JOURNAL_ENTRY_COUNT_MAX; slot++) {
        struct entry entry;
        if (entry_at(&entry, content, slot) && entry.generation > greatest)
            greatest = entry.generation;
    }
    return greatest;
}

int journal_append(struct journal *self, uint64_t generation, struct span payload, uint32_t *index)
{
    uint32_t slot = generation == self->generation_ ? self->count_ : 0;
    if (slot == JOURNAL_ENTRY_COUNT_MAX || payload.size > JOURNAL_ENTRY_BYTES_MAX)
        return ERR_FULL;
    memset(self->slot_, 0, JOURNAL_HEADER_BYTES);
    struct bytes_writer writer = bytes_writer_of(self->slot_ + HASH_BYTES, JOURNAL_SLOT_BYTES - HASH_BYTES);
    bytes_put_u64(&writer, generation);
    bytes_put_u32(&writer, slot + 1);
    bytes_put_u32(&writer, (uint32_t)payload.size);
    memcpy(self->slot_ + JOURNAL_HEADER_BYTES, payload.data, payload.size);
    size_t size = JOURNAL_HEADER_BYTES + payload.size;
    struct hash check = hash_of(span_of(self->slot_ + HASH_BYTES, size - HASH_BYTES));
    memcpy(self->slot_, check.bytes, HASH_BYTES);
    size_t whole = (size + JOURNAL_PAGE_BYTES - 1) / JOURNAL_PAGE_BYTES * JOURNAL_PAGE_BYTES;
    memset(self->slot_ + size, 0, whole - size);
    int rc = journal_file_write(self, whole, slot);
    if (rc < 0)
        return rc;
    self->generation_ = generation;
    self->count_ = slot + 1;
    *index = slot + 1;
    return 0;
}
