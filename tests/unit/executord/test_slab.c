/* test_slab.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "services/executord/slab.h"

static struct slab *slab_of(uint64_t bytes_max)
{
    struct slab *slab = NULL;
    assert_int_equal(slab_new(&slab, &(struct slab_options){.bytes_max = bytes_max}), 0);
    return slab;
}

static void options_out_of_range_are_refused(void **state)
{
    struct slab *slab = NULL;
    assert_int_equal(slab_new(&slab, &(struct slab_options){.bytes_max = 1 << 30, .chunk_bytes = 4096}), -EINVAL);
    assert_int_equal(slab_new(&slab, &(struct slab_options){.bytes_max = 4096}), -EINVAL);
    assert_null(slab);
    slab_destroy(&slab);
    slab_destroy(NULL);
}

static void pieces_of_every_size_are_apart_and_aligned(void **state)
{
    struct slab *slab = slab_of(64 << 20);
    uint8_t *pieces[64];
    size_t sizes[64];
    size_t count = 0;
    for (size_t size = 1; size <= SLAB_PIECE_BYTES_MAX; size = size * 3 / 2 + 1)
        sizes[count++] = size;
    sizes[count++] = SLAB_PIECE_BYTES_MAX;
    for (size_t i = 0; i < count; i++) {
        pieces[i] = slab_alloc(slab, sizes[i]);
        assert_non_null(pieces[i]);
        assert_int_equal((uintptr_t)pieces[i] % SLAB_STEP_BYTES, 0);
        memset(pieces[i], (int)i, sizes[i]);
    }
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(pieces[i][0], i);
        assert_int_equal(pieces[i][sizes[i] - 1], i);
        slab_free(slab, pieces[i], sizes[i]);
    }
    assert_int_equal(slab_used_bytes(slab), 0);
    slab_destroy(&slab);
}

static void a_freed_piece_is_used_again(void **state)
{
    struct slab *slab = slab_of(SLAB_CHUNK_BYTES_DEFAULT);
    void *first = slab_alloc(slab, 100);
    slab_free(slab, first, 100);
    assert_ptr_equal(slab_alloc(slab, 80), first);
    slab_destroy(&slab);
}

static void the_limit_is_reached_and_left_again(void **state)
{
    struct slab *slab = slab_of(2 * SLAB_CHUNK_BYTES_DEFAULT);
    void *last = NULL;
    size_t count = 0;
    for (void *piece = slab_alloc(slab, SLAB_PIECE_BYTES_MAX); piece; piece = slab_alloc(slab, SLAB_PIECE_BYTES_MAX)) {
        last = piece;
        count++;
    }
    assert_int_equal(count, 8);
    assert_int_equal(slab_chunk_bytes(slab), 2 * SLAB_CHUNK_BYTES_DEFAULT);
    slab_free(slab, last, SLAB_PIECE_BYTES_MAX);
    assert_ptr_equal(slab_alloc(slab, SLAB_PIECE_BYTES_MAX), last);
    slab_destroy(&slab);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_out_of_range_are_refused),
        cmocka_unit_test(pieces_of_every_size_are_apart_and_aligned),
        cmocka_unit_test(a_freed_piece_is_used_again),
        cmocka_unit_test(the_limit_is_reached_and_left_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
