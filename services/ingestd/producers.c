/* producers.c - an array sorted by key. */
#include "services/ingestd/producers.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/reason.h"

struct producers {
    uint32_t holders;
    size_t count;
    struct producers_record records[];
};

/* Where the key stands or would stand. */
static size_t place_of(const struct producers *self, const struct sign_public *key, bool *found)
{
    size_t low = 0, high = self->count;
    *found = false;
    while (low < high && !*found) {
        size_t middle = low + (high - low) / 2;
        int order = memcmp(self->records[middle].key.bytes, key->bytes, SIGN_PUBLIC_BYTES);
        if (order == 0) {
            *found = true;
            return middle;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void put(struct producers *self, const struct producers_record *record)
{
    bool found;
    size_t place = place_of(self, &record->key, &found);
    if (!found) {
        memmove(&self->records[place + 1], &self->records[place], (self->count - place) * sizeof self->records[0]);
        self->count++;
    }
    self->records[place] = *record;
}

int producers_make(struct producers **out, const struct producers *base, const struct producers_record *records,
                   size_t count)
{
    size_t base_count = base ? base->count : 0;
    struct producers *self = calloc(1, sizeof *self + (base_count + count) * sizeof self->records[0]);
    if (!self)
        return -ENOMEM;
    self->holders = 1;
    self->count = base_count;
    if (base_count > 0)
        memcpy(self->records, base->records, base_count * sizeof self->records[0]);
    for (size_t i = 0; i < count; i++)
        put(self, &records[i]);
    *out = self;
    return 0;
}

struct producers *producers_hold(struct producers *self)
{
    self->holders++;
    return self;
}

void producers_release(struct producers **self)
{
    if (!self || !*self)
        return;
    assert((*self)->holders > 0);
    if (--(*self)->holders == 0)
        free(*self);
    *self = NULL;
}

size_t producers_count(const struct producers *self)
{
    return self->count;
}

int producers_check(void *context, const struct sign_public *key, uint32_t role)
{
    const struct producers *self = context;
    bool found;
    size_t place = place_of(self, key, &found);
    if (!found || !self->records[place].active)
        return REASON_PRODUCER_UNKNOWN;
    return self->records[place].roles & role ? 0 : REASON_PRODUCER_ROLE;
}
