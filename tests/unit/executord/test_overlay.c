/* test_overlay.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "services/executord/overlay.h"

enum { KEYS = 200 };

static struct slab *slab;

static int setup(void **state)
{
    return slab_new(&slab, &(struct slab_options){.bytes_max = 16 << 20});
}

static int teardown(void **state)
{
    slab_destroy(&slab);
    return 0;
}

static struct state_item *leaf_of(unsigned key, const char *value)
{
    char text[16];
    snprintf(text, sizeof text, "k/%u", key);
    struct hash key_hash = stateproof_key_hash(span_text(text));
    struct state_item *leaf = NULL;
    assert_int_equal(state_leaf_new(&leaf, slab, span_text(text), span_text(value), &key_hash), 0);
    return leaf;
}

static void changes_hide_the_root_and_leave_sorted(void **state)
{
    struct state_item *old = leaf_of(1, "old");
    struct state_item *kept = leaf_of(2, "kept");
    struct state_item *root = NULL;
    struct state_change both[2] = {{.leaf = old}, {.leaf = kept}};
    if (memcmp(state_leaf_key_hash(old), state_leaf_key_hash(kept), HASH_BYTES) > 0) {
        both[0].leaf = kept;
        both[1].leaf = old;
    }
    assert_int_equal(state_update(&root, slab, NULL, both, 2), 0);

    struct overlay *overlay = NULL;
    assert_int_equal(overlay_new(&overlay, slab, KEYS, 99), 0);
    overlay_clear(overlay, root);
    assert_ptr_equal(overlay_find(overlay, state_leaf_key_hash(old)), old);
    overlay_delete(overlay, old);
    assert_null(overlay_find(overlay, state_leaf_key_hash(old)));
    struct state_item *new = leaf_of(1, "new");
    overlay_put(overlay, new);
    assert_ptr_equal(overlay_find(overlay, state_leaf_key_hash(old)), new);
    assert_ptr_equal(overlay_find(overlay, state_leaf_key_hash(kept)), kept);
    state_release(slab, new);
    for (unsigned key = 3; key < KEYS; key++) {
        struct state_item *leaf = leaf_of(key, "x");
        assert_null(overlay_find(overlay, state_leaf_key_hash(leaf)));
        overlay_put(overlay, leaf);
        assert_ptr_equal(overlay_find(overlay, state_leaf_key_hash(leaf)), leaf);
        state_release(slab, leaf);
    }
    size_t count;
    const struct state_change *changes = overlay_changes(overlay, &count);
    assert_int_equal(count, KEYS - 2);
    for (size_t i = 1; i < count; i++)
        assert_true(memcmp(state_leaf_key_hash(changes[i - 1].leaf), state_leaf_key_hash(changes[i].leaf), HASH_BYTES) <
                    0);
    overlay_clear(overlay, root);
    assert_ptr_equal(overlay_find(overlay, state_leaf_key_hash(old)), old);
    overlay_destroy(&overlay);
    state_release(slab, root);
    state_release(slab, old);
    state_release(slab, kept);
    assert_int_equal(slab_used_bytes(slab), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(changes_hide_the_root_and_leave_sorted, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
