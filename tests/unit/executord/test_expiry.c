/* test_expiry.c - the queue against a sorted array. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "common/base/stateproof.h"
#include "services/executord/expiry.h"

enum { COUNT = 2000 };

struct entry {
    int64_t expires_at_s;
    struct hash key_hash;
    struct state_item *leaf;
};

static int by_order(const void *a, const void *b)
{
    const struct entry *first = a;
    const struct entry *second = b;
    if (first->expires_at_s != second->expires_at_s)
        return first->expires_at_s < second->expires_at_s ? -1 : 1;
    return memcmp(first->key_hash.bytes, second->key_hash.bytes, HASH_BYTES);
}

static struct entry entry_make(struct slab *slab, unsigned index, int64_t expires_at_s)
{
    char text[32];
    snprintf(text, sizeof text, "nonce/%u", index);
    struct entry entry = {.expires_at_s = expires_at_s, .key_hash = stateproof_key_hash(span_text(text))};
    assert_int_equal(state_leaf_new(&entry.leaf, slab, span_text(text), span_text("v"), &entry.key_hash), 0);
    return entry;
}

static void queue_add(struct slab *slab, struct expiry **queue, const struct entry *entry)
{
    struct expiry *one = NULL;
    struct expiry *merged = NULL;
    assert_int_equal(expiry_new(&one, slab, entry->leaf, entry->expires_at_s), 0);
    assert_int_equal(expiry_merge(&merged, slab, *queue, one), 0);
    expiry_release(slab, one);
    expiry_release(slab, *queue);
    *queue = merged;
}

static void assert_order(struct slab *slab, struct expiry *queue, const struct entry *sorted, size_t count)
{
    struct expiry *left = expiry_keep(queue);
    for (size_t i = 0; i < count; i++) {
        int64_t expires_at_s = 0;
        assert_ptr_equal(expiry_first(left, &expires_at_s), sorted[i].leaf);
        assert_int_equal(expires_at_s, sorted[i].expires_at_s);
        struct expiry *rest = NULL;
        assert_int_equal(expiry_rest(&rest, slab, left), 0);
        expiry_release(slab, left);
        left = rest;
    }
    assert_null(left);
}

static void whatever_the_order_of_adding_the_order_of_leaving_is_one(void **state)
{
    struct slab *slab = NULL;
    assert_int_equal(slab_new(&slab, &(struct slab_options){.bytes_max = 64 << 20}), 0);
    static struct entry entries[COUNT];
    for (unsigned i = 0; i < COUNT; i++)
        entries[i] = entry_make(slab, i, (int64_t)(i * 7919u % 97));
    struct expiry *forward = NULL;
    struct expiry *backward = NULL;
    for (unsigned i = 0; i < COUNT; i++) {
        queue_add(slab, &forward, &entries[i]);
        queue_add(slab, &backward, &entries[COUNT - 1 - i]);
    }
    qsort(entries, COUNT, sizeof entries[0], by_order);
    struct expiry *sorted = NULL; /* rising: the left side is as long as it can be */
    for (unsigned i = 0; i < COUNT; i++)
        queue_add(slab, &sorted, &entries[COUNT - 1 - i]);
    assert_order(slab, forward, entries, COUNT);
    assert_order(slab, forward, entries, COUNT); /* it stayed as it was */
    assert_order(slab, backward, entries, COUNT);
    assert_order(slab, sorted, entries, COUNT);
    expiry_release(slab, forward);
    expiry_release(slab, backward);
    expiry_release(slab, sorted);
    for (unsigned i = 0; i < COUNT; i++)
        state_release(slab, entries[i].leaf);
    assert_int_equal(slab_used_bytes(slab), 0);
    slab_destroy(&slab);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whatever_the_order_of_adding_the_order_of_leaving_is_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
