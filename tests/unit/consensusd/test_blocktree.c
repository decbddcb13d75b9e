/* test_blocktree.c - blocks above the root: linked, bounded, and cut down when the root advances. */
#include "common/base/err.h"
#include "services/consensusd/blocktree.h"
#include "tests/unit/consensusd/samples.h"

enum { ROOM = 4 }; /* the root included */

static struct blocktree *tree;

static int start(void **state)
{
    (void)state;
    struct block_header root = sample_header(10, 0);
    struct hash id = sample_hash(10);
    return blocktree_new(&tree, &root, &id, ROOM, 1);
}

static int stop(void **state)
{
    (void)state;
    blocktree_destroy(&tree);
    return 0;
}

static struct block *insert(struct block *parent, uint8_t name, uint64_t view, struct block **evicted)
{
    struct block_header header = sample_header(parent->header.height + 1, 2);
    header.view = view;
    struct hash id = sample_hash(name);
    struct hash tx_ids[] = {sample_hash(0x71), sample_hash(0x72)};
    struct block *block = NULL;
    return blocktree_insert(tree, &block, evicted, parent, &header, &id, tx_ids) == 0 ? block : NULL;
}

static void a_block_is_found_under_its_parent(void **state)
{
    (void)state;
    struct block *evicted = NULL;
    struct block *root = blocktree_root(tree);
    struct block *a = insert(root, 1, 20, &evicted), *b = insert(a, 2, 21, &evicted),
                 *c = insert(root, 3, 22, &evicted);
    struct hash id = sample_hash(2);
    assert_ptr_equal(blocktree_find(tree, &id), b);
    assert_ptr_equal(b->parent, a);
    assert_int_equal(b->tx_ids[1].bytes[0], 0x72);
    assert_int_equal(b->state, BLOCK_WAITING);
    assert_int_equal(root->state, BLOCK_VALID);
    assert_true(blocktree_descends(b, root) && blocktree_descends(b, a) && blocktree_descends(b, b));
    assert_false(blocktree_descends(c, a) || blocktree_descends(a, b));
    assert_int_equal(blocktree_count(tree), 4);
}

static void a_full_tree_gives_up_its_lowest_uncertified_leaf(void **state)
{
    (void)state;
    struct block *evicted = NULL;
    struct block *root = blocktree_root(tree);
    struct block *low = insert(root, 1, 20, &evicted);
    low->has_qc = true;
    struct block *high = insert(root, 3, 25, &evicted);
    struct block *middle = insert(low, 2, 21, &evicted); /* not the oldest one here */
    assert_non_null(high);
    assert_null(evicted);
    assert_non_null(insert(root, 4, 26, &evicted));
    assert_ptr_equal(evicted, middle);
    struct hash id = sample_hash(2);
    assert_null(blocktree_find(tree, &id));
    assert_int_equal(blocktree_count(tree), ROOM);
}

/* Whoever stands on a block would stand on nothing; what has a certificate may become final. */
static void a_full_tree_keeps_parents_certified_blocks_and_the_new_ones_parent(void **state)
{
    (void)state;
    struct block *evicted = NULL;
    struct block *root = blocktree_root(tree);
    struct block *low = insert(root, 1, 20, &evicted);
    struct block *child = insert(low, 2, 21, &evicted), *leaf = insert(root, 3, 22, &evicted);
    child->has_qc = true;
    struct block *next = insert(root, 4, 23, &evicted);
    assert_ptr_equal(evicted, leaf);
    assert_ptr_equal(low->parent, root);
    assert_null(insert(next, 5, 24, &evicted)); /* its own parent is the only one that could go */
    assert_null(evicted);
    assert_int_equal(blocktree_count(tree), ROOM);
}

static void a_full_tree_of_certified_blocks_takes_no_more(void **state)
{
    (void)state;
    struct block *evicted = NULL;
    struct block *block = blocktree_root(tree);
    for (uint8_t i = 1; i < ROOM; i++) {
        block = insert(block, i, 20 + i, &evicted);
        block->has_qc = true;
    }
    assert_null(insert(block, 9, 40, &evicted));
    assert_int_equal(blocktree_count(tree), ROOM);
}

static void the_new_root_keeps_its_descendants_only(void **state)
{
    (void)state;
    struct block *evicted = NULL;
    struct block *root = blocktree_root(tree);
    struct block *a = insert(root, 1, 20, &evicted), *b = insert(a, 2, 21, &evicted),
                 *c = insert(root, 3, 22, &evicted);
    c->has_qc = true; /* it lost all the same */
    struct block *removed = blocktree_advance(tree, a);
    assert_ptr_equal(removed, root);
    assert_ptr_equal(removed->next, c);
    assert_null(removed->next->next);
    assert_ptr_equal(blocktree_root(tree), a);
    assert_null(a->parent);
    assert_ptr_equal(b->parent, a);
    struct hash id = sample_hash(3);
    assert_null(blocktree_find(tree, &id));
    assert_int_equal(blocktree_count(tree), 2);
    blocktree_bury(tree);
}

/* What was kept once is judged anew each time. */
static void a_branch_that_was_kept_is_lost_with_the_next_root(void **state)
{
    (void)state;
    struct block *evicted = NULL;
    struct block *a = insert(blocktree_root(tree), 1, 20, &evicted);
    struct block *b = insert(a, 2, 21, &evicted), *c = insert(a, 3, 22, &evicted);
    assert_null(blocktree_advance(tree, a)->next);
    blocktree_bury(tree);
    struct block *removed = blocktree_advance(tree, b);
    assert_ptr_equal(removed, a);
    assert_ptr_equal(removed->next, c);
    assert_int_equal(blocktree_count(tree), 1);
    blocktree_bury(tree);
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(a_block_is_found_under_its_parent),
        STORY(a_full_tree_gives_up_its_lowest_uncertified_leaf),
        STORY(a_full_tree_keeps_parents_certified_blocks_and_the_new_ones_parent),
        STORY(a_full_tree_of_certified_blocks_takes_no_more),
        STORY(the_new_root_keeps_its_descendants_only),
        STORY(a_branch_that_was_kept_is_lost_with_the_next_root),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
